"""Sentences on how request classes slow each other down: the result of a run that sweeps their mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, listed, milliseconds
from harness.judge.phrases import range_text
from harness.judge.run_result import Recommendation
from harness.plan.load_knobs import MIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import ClassMetrics, PointMetrics

MOST = 3
P99 = 0.99


def with_class_interference(found: Recommendation, points: Sequence[PointMetrics]) -> Recommendation:
    """The recommendation; for a sweep of nothing but the mix, the slowdown of the classes in its place.

    Mixes are different work, so none of them can be recommended. The sentences are about the class that the first point
    has alone; the page's table of classes has the others.
    """
    if not points or set(points[0].setting) != {MIX}:
        return found
    effects = list(_effects(points))
    first = points[0].classes[0].name if points[0].classes else ""
    told = [text for name, text in effects if name == first] or [text for _, text in effects]
    if not told:
        return Recommendation(
            sentence="No comparison: not enough was measured to compare the p99 of a class with its p99 alone; that "
            "needs a mix of this class alone, and measuring longer (--seconds)."
        )
    return Recommendation(sentence=" ".join(told[:MOST]))


def _effects(points: Sequence[PointMetrics]) -> Iterator[tuple[str, str]]:
    """The class that is held up, and by how much."""
    numbered = {point.point: point for point in points}
    for point in points:
        for each in point.classes:
            alone = None if each.alone_point is None else numbered[each.alone_point].response.at(P99)
            here = each.response.at(P99)
            if each.slowdown is None or not (here and here.value_ms and alone and alone.value_ms):
                continue
            text = (
                f"Beside {_others(point, each)}{_load(point)}, {each.name} has a p99 of {milliseconds(here.value_ms)}, "
                f"{figure(each.slowdown.value, 2)}\u00d7{_interval(each)} what it is alone "
                f"({milliseconds(alone.value_ms)})."
            )
            yield each.name, text


def _others(point: PointMetrics, each: ClassMetrics) -> str:
    return listed([f"{figure(100 * other.share, 2)} % {other.name}" for other in point.classes if other is not each])


def _load(point: PointMetrics) -> str:
    if point.concurrency is not None:
        return f" at {point.concurrency} user{'' if point.concurrency == 1 else 's'}"
    return "" if point.rate_target_rps is None else f" at {figure(point.rate_target_rps, 3)} req/s"


def _interval(each: ClassMetrics) -> str:
    slowdown = each.slowdown
    if slowdown is None or slowdown.low is None or slowdown.high is None or slowdown.vague:
        return "" if slowdown is None else range_text(slowdown, 2)
    return f" ({figure(slowdown.low, 2)}\u2013{figure(slowdown.high, 2)}\u00d7)"
