"""Caveats of the recommended point: one short sentence for each fault that it shows."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from harness.judge.checks.harm import HARMED
from harness.judge.checks.machine import SLOW_MEMORY
from harness.judge.checks.service import CACHED, UNAVAILABLE, UNEQUAL_USERS
from harness.judge.checks.steadiness import SLOWDOWN
from harness.judge.findings import Verdict
from harness.judge.number_text import figure, listed, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.findings import Finding, FindingKind
    from harness.judge.metrics import PointMetrics

FEW = 0.01


def caveats(point: PointMetrics) -> Iterator[str]:
    """Failures, outages, unequal users, caches, slow-downs and harm by others, as far as the point shows them."""
    found = {each.kind: each for each in point.findings}
    if failures := [*_failures(point, found.get(UNAVAILABLE.name))]:
        yield f"It {listed(failures)}."
    if unequal := found.get(UNEQUAL_USERS.name):
        yield _unequal(unequal)
    if cached := found.get(CACHED.name):
        times = figure(cached.data["ratio"])
        yield f"Responses came from a cache: payloads sent for the first time took {times} times as long."
    if slower := found.get(SLOWDOWN.name):
        yield f"It became slower and slower, by {percent(slower.data['factor'] - 1)} in one trial."
    if memory := found.get(SLOW_MEMORY.name):
        cost = percent(memory.data["cost"])
        yield f"In its slowest trials others on the host slowed the memory, which cost {cost} of the throughput."
    harm = found.get(HARMED.name)
    if harm is not None and harm.verdict is not Verdict.VALID:
        usable = _share_of_time(point, HARMED, "usable")
        yield f"Target and load ran undisturbed for only {percent(usable)} of the time."


def _share_of_time(point: PointMetrics, kind: FindingKind, share: str) -> float:
    """The mean over all trials of a share of the time that findings of `kind` have: where there is none, it is all."""
    shares = [
        next((each.data[share] for each in trial.findings if each.kind == kind.name), 1.0) for trial in point.trials
    ]
    seconds = [trial.seconds for trial in point.trials]
    found: float = sum(map(operator.mul, shares, seconds)) / (sum(seconds) or 1.0)
    return found


def _failures(point: PointMetrics, outage: Finding | None) -> Iterator[str]:
    """What became of the requests that were not served: parts of one sentence, since they have one cause mostly."""
    counts = point.counts
    if outage:
        yield f"was available for {percent(_share_of_time(point, UNAVAILABLE, 'available'))} of the time"
    rejected = counts.rejected > FEW * counts.sent
    if rejected:
        yield f"rejected {percent(counts.rejected / counts.sent)} of the requests"
    failed = counts.error + counts.timeout + counts.aborted
    if failed > FEW * counts.sent:
        yield f"failed {percent(failed / counts.sent)} of {'them' if rejected else 'the requests'}"


def outages(points: Sequence[PointMetrics]) -> Iterator[str]:
    """What stands although no point can be judged: the worst time without service, unless that is why."""
    found = [each for point in points for each in point.findings if each.kind == UNAVAILABLE.name]
    doubted = [each for each in found if each.verdict is not Verdict.INVALID]
    if doubted:
        yield min(doubted, key=lambda each: each.data["available"]).text


def _unequal(unequal: Finding) -> str:
    users = round(max(unequal.data["slow"], unequal.data["starved"]))
    were = "was" if users == 1 else "were"
    return f"{users} of {round(unequal.data['users'])} users {were} served much worse than the others."
