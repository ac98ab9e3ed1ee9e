"""What a reader of the recommendation must know of the point that it names: one short sentence for each fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics

FEW = 0.01
K = FindingKind


def caveats(point: PointMetrics) -> Iterator[str]:
    """Failures, outages, unequal users, caches, a slow-down and harm by others, as far as the point shows them."""
    counts, found = point.counts, {each.kind: each for each in point.findings}
    if counts.sent and counts.rejected > FEW * counts.sent:
        yield f"It rejected {percent(counts.rejected / counts.sent)} of the requests."
    failed = counts.error + counts.timeout + counts.aborted
    if counts.sent and failed > FEW * counts.sent:
        yield f"{percent(failed / counts.sent)} of the requests brought no answer."
    if outage := found.get(K.UNAVAILABLE):
        yield f"It was available for {percent(outage.data['available'])} of the time."
    if unequal := found.get(K.UNEQUAL_USERS):
        yield _unequal(unequal)
    if cached := found.get(K.CACHED):
        yield f"A cache answered: payloads asked for the first time took {figure(cached.data['ratio'])} times as long."
    if K.SLOWDOWN in found:
        yield "It became slower all the time."
    harm = found.get(K.HARMED)
    if harm is not None and harm.verdict is not Verdict.VALID:
        yield f"Others kept the machine busy: {percent(harm.data['usable'])} of the time was free of that."


def _unequal(unequal: Finding) -> str:
    users = round(max(unequal.data["slow"], unequal.data["starved"]))
    were = "was" if users == 1 else "were"
    return f"{users} of {round(unequal.data['users'])} users {were} served much worse than the others."
