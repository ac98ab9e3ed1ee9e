"""The input of a check, and the finding that it returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.findings import Finding, FindingKind, Verdict
from harness.plan.arrivals import Closed, OpenProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.judge.numbers.machine.harmed_time import UsableTime
    from harness.judge.numbers.sample_series import SampleSeries
    from harness.judge.numbers.target.availability import Availability
    from harness.judge.numbers.trial_rows import TrialRows
    from harness.record.trial_data import TrialData

_SEVERITY = {Verdict.VALID: 0, Verdict.DEGRADED: 1, Verdict.INVALID: 2}


@dataclass(frozen=True, slots=True)
class TrialCase:
    """One trial before its verdict; `rows` is None where no request was due in the measured window."""

    data: TrialData
    rows: TrialRows | None
    samples: SampleSeries
    metrics: TrialMetrics
    usable: UsableTime | None = None  # None: the samplers saw nothing of the machine
    availability: Availability | None = None  # None where `rows` is
    allowed_failures: float | None = None  # the share that the objective allows; None: it has no bound on errors
    users_backing_off: float = 0.0  # of a closed loop, after a refusal or failure; on average over the window

    @property
    def closed(self) -> Closed | None:
        """The arrivals, where they are a closed loop."""
        arrivals = self.data.point.arrivals
        return arrivals if isinstance(arrivals, Closed) else None

    @property
    def user_paced(self) -> bool:
        """Whether the tasks of a locustfile make requests of their own."""
        return any(report.user_paced for report in self.data.reports)

    @property
    def open_loop(self) -> bool:
        """Whether requests are sent at their own times, whether or not responses come."""
        return isinstance(self.data.point.arrivals, OpenProcess)

    @property
    def stationary(self) -> bool:
        """Whether the requested load is constant over the trial."""
        return self.data.point.arrivals.steady

    @property
    def failures_allowed(self) -> bool:
        """Whether the objective has a bound on errors, and no more requests failed than it allows."""
        return self.allowed_failures is not None and self.metrics.counts.failed_share <= self.allowed_failures

    @property
    def look_into_log(self) -> str:
        """Where the target's output is: in the trial's folder, unless the harness did not start the target."""
        return "Look into target.log" if self.data.has_log else "Look into the server's own log"

    @property
    def response_ns(self) -> NDArray[np.int64 | np.int32]:
        """Response times (n,), ascending; a check may look at percentiles that are too uncertain to publish."""
        return self.rows.response.ordered_ns if self.rows else np.empty(0, dtype=np.int64)

    @property
    def lateness_ns(self) -> NDArray[np.int64 | np.int32]:
        """Lateness of sending (n,), ascending."""
        return self.rows.lateness.ordered_ns if self.rows else np.empty(0, dtype=np.int64)


Check = Callable[[TrialCase], Finding | None]
PointCheck = Callable[["PointMetrics"], Iterable[Finding]]
Judgement = tuple[Verdict, tuple[Finding, ...]]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; VALID where there is none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.VALID)


def judged(findings: Iterable[Finding | None]) -> Judgement:
    """The findings that there are, and the verdict that they amount to."""
    found = tuple(each for each in findings if each is not None)
    return worst(each.verdict for each in found), found


def worst_of_each_kind(trials: Sequence[Sequence[Finding]]) -> Iterator[tuple[Finding, int, int]]:
    """Of the findings of several trials, for each kind: the first of the worst, its trial, and how many there are."""
    for kind in dict.fromkeys(each.kind for findings in trials for each in findings):
        found = [(number, each) for number, findings in enumerate(trials) for each in findings if each.kind is kind]
        severest = worst(each.verdict for _, each in found)
        number, shown = next(pair for pair in found if pair[1].verdict is severest)
        yield shown, number, len(found)


def added_counts(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """How often each text was counted by all load processes together."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def grade(value: float, degraded_above: float, invalid_above: float) -> Verdict:
    """The verdict on a figure that should be small."""
    if value > invalid_above:
        return Verdict.INVALID
    return Verdict.DEGRADED if value > degraded_above else Verdict.VALID


def finding(kind: FindingKind, verdict: Verdict, text: str, remedy: str, **data: float) -> Finding:
    """A finding of `kind` with its figures."""
    plain = {name: float(value) for name, value in data.items()}  # NumPy's numbers cannot be written as JSON
    return Finding(
        kind=kind.name,
        title=kind.title,
        verdict=verdict,
        text=text,
        remedy=remedy,
        data=plain,
        lengthens=kind.lengthens,
    )
