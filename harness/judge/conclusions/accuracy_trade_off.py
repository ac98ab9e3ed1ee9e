"""The trade-off between accuracy and throughput over settings, and its Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.number_text import figure, milliseconds
from harness.judge.numbers.accuracy import accuracy_of, in_common, significantly_different
from harness.judge.run_result import TradeOffPoint
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.metrics import Accuracy, PointMetrics
    from harness.judge.numbers.accuracy import Shares
    from harness.plan.slo import Slo

    Rated = tuple[PointMetrics, Accuracy]


def accuracy_trade_off(
    points: Sequence[PointMetrics], slo: Slo | None, asked: Mapping[int, Shares]
) -> tuple[TradeOffPoint, ...]:
    """Each setting at its best load under `slo`, with its accuracy; none where accuracy does not depend on the setting.

    Accuracies are those on the payloads that every setting was asked (`asked` has them by point), so that no setting
    had the easier ones. A setting is on the Pareto front if it meets `slo`, and no other that does is at least as
    accurate and at least as fast, and better in one of both.
    """
    chosen = _chosen(points, slo)
    if len(chosen) < 2:
        return ()
    rights = in_common([asked[point.point] for point in chosen])
    if not rights[0].size or len({float(right.mean()) for right in rights}) < 2:
        return ()
    rated = [
        (point, accuracy_of(right, point.accuracy.answers if point.accuracy else 0))
        for point, right in zip(chosen, rights, strict=True)
    ]
    able = [each for each in rated if slo is None or each[0].meets_slo]
    return tuple(
        TradeOffPoint(
            point=point.point,
            setting=point.setting,
            meets_slo=point.meets_slo if slo else None,
            accuracy=accuracy,
            on_front=(point, accuracy) in able and not any(_beats(other, (point, accuracy)) for other in able),
        )
        for point, accuracy in rated
    )


def trade_sentence(
    found: Sequence[TradeOffPoint], points: Sequence[PointMetrics], best: int | None, asked: Mapping[int, Shares]
) -> str:
    """What the most accurate setting of the front costs, or that the recommended one is the most accurate itself."""
    by_number = {point.point: point for point in points}
    rated = {each.point: each.accuracy for each in found}
    front = [each.point for each in found if each.on_front]
    if best not in rated or not front:
        return ""
    sure = max(front, key=lambda number: rated[number].value)
    if rated[sure].value <= rated[best].value:
        return f"It is also right most often: for {_percent(rated[best])} of payloads."
    more = figure(100 * (rated[sure].value - rated[best].value), 2)
    speed = figure(by_number[sure].throughput_rps.value / by_number[best].throughput_rps.value, 2)
    apart = significantly_different(*in_common([asked[sure], asked[best]]))
    doubt = "" if apart else f"; on {rated[sure].payloads} payloads the two accuracies cannot be distinguished"
    return (
        f"The trade: {_name(by_number[sure])} is right for {_percent(rated[sure])} of payloads instead of "
        f"{_percent(rated[best])}, {more} points more, at {speed}\u00d7 the throughput"
        f"{_tails(by_number[sure], by_number[best])}{doubt}."
    )


def _chosen(points: Sequence[PointMetrics], slo: Slo | None) -> list[PointMetrics]:
    """The best point of each setting, among those that can be believed and whose responses were checked."""
    believed = [point for point in points if point.verdict is not Verdict.INVALID and point.accuracy]
    settings = list(dict.fromkeys(tuple(point.setting.items()) for point in believed))
    return [_best([point for point in believed if tuple(point.setting.items()) == one], slo) for one in settings]


def _best(points: Sequence[PointMetrics], slo: Slo | None) -> PointMetrics:
    able = [point for point in points if slo is None or point.meets_slo]
    if able:
        return max(able, key=lambda point: point.throughput_rps.value)
    return min(points, key=lambda point: point.response.mean_ms or 0.0)


def _beats(other: Rated, own: Rated) -> bool:
    pairs = ((other[1].value, own[1].value), (other[0].throughput_rps.value, own[0].throughput_rps.value))
    return all(theirs >= ours for theirs, ours in pairs) and any(theirs > ours for theirs, ours in pairs)


def _percent(accuracy: Accuracy) -> str:
    return f"{figure(100 * accuracy.value, 3)} %"


def _tails(sure: PointMetrics, fast: PointMetrics) -> str:
    tails = [tail.value_ms if (tail := point.response.at(0.99)) else None for point in (sure, fast)]
    if tails[0] is None or tails[1] is None:
        return ""
    return f" (p99 {milliseconds(tails[0])} against {milliseconds(tails[1])})"


def _name(point: PointMetrics) -> str:
    return setting_text(point.setting)
