"""Compares two runs point by point: better, worse, equivalent or inconclusive."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.findings import Verdict
from harness.judge.significance import EQUIVALENCE_MARGIN, Change, judged_together, measured_apart, worst_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import RunResult
    from harness.judge.significance import Comparison, Evidence
    from harness.plan.plan import Plan

    Pair = tuple[PointMetrics, PointMetrics]

THROUGHPUT, P99 = "throughput", "p99"
STREAM_FIGURES = {"TTFT p50": ("ttft", 0.5), "TTFT p90": ("ttft", 0.9), "ITL p99": ("itl", 0.99)}
FEWEST_POINTS = 6  # whose ratios show what two runs differ by
DRIFT = 0.1  # standard deviation of the logarithm of a machine's speed between two times, where nothing is known of it


@dataclass(frozen=True, slots=True)
class PointComparison:
    """One point of both runs. A figure is None where a run cannot give it, or its point is INVALID."""

    before: PointMetrics
    after: PointMetrics
    throughput_rps: Comparison | None
    p99_ms: Comparison | None
    streams: Mapping[str, Comparison] = field(default_factory=dict)  # by name of STREAM_FIGURES; of language models

    @property
    def change(self) -> Change:
        """The worst of its figures; INCONCLUSIVE where there is none."""
        figures = (self.throughput_rps, self.p99_ms, *self.streams.values())
        return worst_change([each.change for each in figures if each is not None])


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All points that both runs have, in the order of the later one, and how many only one of them has.

    drift: what the machine may have changed by between the two times. within_drift: how many points differ by more than
    the runs scatter, but no more than that explains.
    other_service: what differs between the two services beside knobs and load, in sentences.
    """

    points: tuple[PointComparison, ...]
    only_before: int
    only_after: int
    drift: float = DRIFT
    within_drift: int = 0
    other_service: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        """The worst of its points."""
        return worst_change([point.change for point in self.points])


def compare_runs(
    before: tuple[Plan, RunResult],
    after: tuple[Plan, RunResult],
    margin: float = EQUIVALENCE_MARGIN,
    drift: float = DRIFT,
) -> RunComparison:
    """Compare the points that have the same knobs and the same load in both runs; `margin` 0.05 is 5 %."""
    earlier, later = ({point_key(plan, point): point for point in result.points} for plan, result in (before, after))
    pairs = [(earlier[key], point) for key, point in later.items() if key in earlier]
    evidence = _evidence(pairs, margin, drift)
    found = dict(zip(evidence, judged_together([*evidence.values()]), strict=True))
    steady = _evidence(pairs, margin, 0.0)
    if_steady = dict(zip(steady, judged_together([*steady.values()]), strict=True))
    points = tuple(
        PointComparison(one, other, found.get((row, THROUGHPUT)), found.get((row, P99)), _streams(row, found))
        for row, (one, other) in enumerate(pairs)
    )
    drifted = {row for row, name in found if if_steady[row, name].different and not found[row, name].different}
    models = [(_model(before[0], one), _model(after[0], other)) for one, other in pairs]
    return RunComparison(
        points,
        only_before=len(earlier) - len(pairs),
        only_after=len(later) - len(pairs),
        drift=drift,
        within_drift=len(drifted),
        other_service=tuple(other_service(before[0], after[0], models)),
    )


def _streams(row: int, found: Mapping[tuple[int, str], Comparison]) -> dict[str, Comparison]:
    return {name: found[row, name] for name in STREAM_FIGURES if (row, name) in found}


def point_key(plan: Plan, point: PointMetrics) -> str:
    """A text that is equal for points of two runs with the same knobs and load, be their target the same or another."""
    planned = plan.point(point.point)
    return msgspec.json.encode((plan.setting_of(planned), planned.arrivals), order="deterministic").decode()


def _model(plan: Plan, point: PointMetrics) -> str:
    return plan.model_at(plan.point(point.point))


def other_service(before: Plan, after: Plan, models: Iterable[tuple[str, str]]) -> Iterator[str]:
    """In what the services of two runs differ though the knobs and the load of their points are the same.

    models: of each point that both runs have, before and now. The target may differ on purpose.
    """
    for one, other in dict.fromkeys(models):
        if one and other and one != other:  # `locust` names no model
            yield f"Another model: {one} before, {other} now."
    if before.scenario != after.scenario:
        yield f"Another scenario: {before.scenario} before, {after.scenario} now."


def _evidence(pairs: Sequence[Pair], margin: float, drift: float) -> dict[tuple[int, str], Evidence]:
    """What each figure says, by row and name, as far as both runs can give it and neither point is INVALID."""
    evidence = {}
    for name, read in _READERS.items():
        figures = {
            row: (one, other)
            for row, (before, after) in enumerate(pairs)
            if Verdict.INVALID not in (before.verdict, after.verdict)
            if (one := read(before)) is not None and (other := read(after)) is not None
        }
        times = TwoTimes.of([math.log(other.value / one.value) for one, other in figures.values()], margin, drift)
        for row, (one, other) in figures.items():
            evidence[row, name] = times.evidence(one, other, higher_is_better=name == THROUGHPUT)
    return evidence


@dataclass(frozen=True, slots=True)
class TwoTimes:
    """What is known of two runs of many points, one figure of each.

    scatter: of the logarithms of the points' ratios. common: the logarithm of the ratio that the points share; None for
    fewer than `FEWEST_POINTS`. margin: a smaller change is none. drift: as of `RunComparison`.
    """

    margin: float
    drift: float
    scatter: float = 0.0
    common: float | None = None

    @classmethod
    def of(cls, log_ratios: Sequence[float], margin: float, drift: float) -> TwoTimes:
        """By the ratios of all points that both runs have."""
        if len(log_ratios) < FEWEST_POINTS:
            return cls(margin, drift)
        return cls(margin, drift, scatter_of(log_ratios), float(np.median(log_ratios)))

    def evidence(self, before: Interval, after: Interval, *, higher_is_better: bool) -> Evidence:
        """What one figure of one point says.

        A drift comes to all points alike. So a point got worse if it did so by more than a drift explains, or both in
        itself and against the others: the smaller of the two p-values, doubled for having looked twice.
        """

        def found(figure: Interval, drift: float = 0.0) -> Evidence:
            return measured_apart(
                before,
                figure,
                self.margin,
                higher_is_better=higher_is_better,
                least_error=self.scatter,
                drift=drift,
            )

        drifting = found(after, self.drift)
        if self.common is None or not self.drift:
            return drifting
        itself, among_others = found(after), found(after.times(math.exp(-self.common)))
        return replace(
            drifting,
            worse=min(1.0, 2.0 * min(drifting.worse, max(itself.worse, among_others.worse))),
            better=min(1.0, 2.0 * min(drifting.better, max(itself.better, among_others.better))),
        )


def scatter_of(log_ratios: Sequence[float]) -> float:
    """By how much the ratios of the points scatter about their median, as a standard deviation; 0 for too few.

    Most points have not changed against each other, so this is the noise of both runs, which a single repeat does not
    show. (1.4826 times the median absolute deviation, which a few points that did change do not move.)
    """
    if len(log_ratios) < FEWEST_POINTS:
        return 0.0
    values = np.asarray(log_ratios)
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _throughput(point: PointMetrics) -> Interval | None:
    return point.rate if point.rate.value > 0 else None


def _p99(point: PointMetrics) -> Interval | None:
    return point.response.interval_ms(0.99)


def _of_stream(kind: str, p: float) -> Callable[[PointMetrics], Interval | None]:
    return lambda point: getattr(point.stream, kind).interval_ms(p) if point.stream else None


_READERS: dict[str, Callable[[PointMetrics], Interval | None]] = {
    THROUGHPUT: _throughput,
    P99: _p99,
    **{name: _of_stream(*figure) for name, figure in STREAM_FIGURES.items()},
}
