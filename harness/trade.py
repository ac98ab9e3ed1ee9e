"""What accuracy costs: of settings whose answers are right more or less often, which are worth choosing, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.figures import figure, milliseconds
from harness.findings import Verdict
from harness.knobs import format_value
from harness.metrics import Bargain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.metrics import Accuracy, PointMetrics
    from harness.slo import Slo


def bargains(points: Sequence[PointMetrics], slo: Slo | None) -> tuple[Bargain, ...]:
    """Each setting at its best load under `slo`, with its accuracy; none where accuracy does not depend on the setting.

    A setting is on the Pareto front if it meets `slo`, and no other that does is at least as accurate and at least as
    fast, and better in one of both.
    """
    believed = [point for point in points if point.verdict is not Verdict.INVALID and point.accuracy]
    settings = list(dict.fromkeys(tuple(point.setting.items()) for point in believed))
    chosen = [_best([point for point in believed if tuple(point.setting.items()) == one], slo) for one in settings]
    if len({_value(point) for point in chosen}) < 2:
        return ()
    able = [point for point in chosen if slo is None or point.meets_slo]
    return tuple(
        Bargain(
            point=point.point,
            setting=point.setting,
            meets_slo=point.meets_slo if slo else None,
            on_front=point in able and not any(_beats(other, point) for other in able),
        )
        for point in chosen
    )


def trade_sentence(found: Sequence[Bargain], points: Sequence[PointMetrics], best: int | None) -> str:
    """What the most accurate setting of the front costs, or that the recommended one is the most accurate itself."""
    by_number = {point.point: point for point in points}
    front = [by_number[bargain.point] for bargain in found if bargain.on_front]
    if best not in by_number or not by_number[best].accuracy or not front:
        return ""
    fast, sure = by_number[best], max(front, key=_value)
    if _value(sure) <= _value(fast):
        return f"It is also right most often: for {_percent(fast.accuracy)} of payloads."
    more = figure(100 * (_value(sure) - _value(fast)), 2)
    speed = figure(sure.throughput_rps.value / fast.throughput_rps.value, 2)
    return (
        f"The trade: {_name(sure)} is right for {_percent(sure.accuracy)} of payloads instead of "
        f"{_percent(fast.accuracy)}, {more} points more, at {speed}\u00d7 the throughput"
        f"{_tails(sure, fast)}{_doubt(sure.accuracy, fast.accuracy)}."
    )


def _best(points: Sequence[PointMetrics], slo: Slo | None) -> PointMetrics:
    able = [point for point in points if slo is None or point.meets_slo]
    if able:
        return max(able, key=lambda point: point.throughput_rps.value)
    return min(points, key=lambda point: point.response.mean_ms or 0.0)


def _beats(other: PointMetrics, point: PointMetrics) -> bool:
    pairs = ((_value(other), _value(point)), (other.throughput_rps.value, point.throughput_rps.value))
    return all(theirs >= own for theirs, own in pairs) and any(theirs > own for theirs, own in pairs)


def _value(point: PointMetrics) -> float:
    return point.accuracy.value if point.accuracy else 0.0


def _percent(accuracy: Accuracy | None) -> str:
    return f"{figure(100 * accuracy.value, 3)} %" if accuracy else "an unknown share"


def _tails(sure: PointMetrics, fast: PointMetrics) -> str:
    tails = [tail.value_ms if (tail := point.response.at(0.99)) else None for point in (sure, fast)]
    if tails[0] is None or tails[1] is None:
        return ""
    return f" (p99 {milliseconds(tails[0])} against {milliseconds(tails[1])})"


def _doubt(sure: Accuracy | None, fast: Accuracy | None) -> str:
    if sure is None or fast is None or sure.low > fast.high:
        return ""
    return f"; with {min(sure.payloads, fast.payloads)} payloads the intervals of both overlap"


def _name(point: PointMetrics) -> str:
    return ", ".join(f"{name}={format_value(value)}" for name, value in point.setting.items())
