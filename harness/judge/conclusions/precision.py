"""Decides whether a point's intervals are as narrow as `--precision` requests.

A point is run again and again, interleaved with the others, until the 95 % intervals of its throughput and of its p99
reach no further from their value than the asked share of it, or until its time is used up. At least three repeats,
so that the point's own repeats, and not only what is supposed of every machine, say what one run differs by from the
next. Looking after every repeat makes an interval a little too hopeful.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks.case import finding, worst
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, percent
from harness.plan.plan import FEWEST_REPEATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.findings import Finding
    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan

IMPRECISE = FindingKind("imprecise", "Less precise than requested")
TAIL = 0.99


def half_widths(metrics: PointMetrics) -> dict[str, float]:
    """How far the interval reaches from its value, as a share of it, by figure; infinite where there is no interval."""
    tail = metrics.response.at(TAIL)
    return {"throughput": _half_width(metrics.throughput_rps), "p99": _half_width(tail.interval_ms if tail else None)}


def is_settled(metrics: PointMetrics, plan: Plan) -> bool:
    """Whether the point needs no further repeat; False without `--precision`."""
    if plan.precision is None or metrics.repeats < FEWEST_REPEATS:
        return False
    return max(half_widths(metrics).values()) <= plan.precision


def with_precision(points: Iterable[PointMetrics], plan: Plan) -> tuple[PointMetrics, ...]:
    """The points; those less precise than requested have a finding of their own."""
    return tuple(_marked(point, plan) for point in points)


def _marked(point: PointMetrics, plan: Plan) -> PointMetrics:
    if plan.precision is None or is_settled(point, plan):
        return point
    imprecise = _imprecise(point, plan.precision)
    return msgspec.structs.replace(
        point, findings=(*point.findings, imprecise), verdict=worst((point.verdict, imprecise.verdict))
    )


def _imprecise(point: PointMetrics, asked: float) -> Finding:
    widths = half_widths(point)
    known = {name: width for name, width in widths.items() if math.isfinite(width)}
    parts = [f"{name} is known to \u00b1{percent(width)}" for name, width in known.items()]
    parts += [f"{name} has no interval yet" for name in widths if name not in known]
    text = (
        f"After {figure(point.seconds)} s in {point.repeats} repeats {' and '.join(parts)}; "
        f"\u00b1{percent(asked)} was requested."
    )
    remedy = "Measure longer (--max-seconds)."
    if len(known) == len(widths) and point.repeats >= FEWEST_REPEATS:
        seconds = point.seconds * (max(known.values()) / asked) ** 2  # an interval shrinks with the root of the time
        remedy = f"Some {figure(seconds)} s would do (--max-seconds)."
    return finding(IMPRECISE, Verdict.DEGRADED, text, remedy, asked=asked, **known)


def _half_width(interval: Interval | None) -> float:
    if interval is None or not interval.value:
        return math.inf
    low, high = interval.ends
    return max(interval.value - low, high - interval.value) / interval.value
