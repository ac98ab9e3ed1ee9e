"""Two runs compared point by point."""

from __future__ import annotations

import math

import msgspec
import pytest
from answers_of import invalid, point_of, quantile_of

from harness.judge.conclusions.run_comparison import compare_runs
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Latency, StreamMetrics
from harness.judge.run_result import Recommendation, RunResult
from harness.judge.significance import Change
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.pairing import Pairing, Variant
from harness.plan.plan import Plan, Point
from reports.comparison import comparison_json, comparison_text


def run_of(*points, fixed=None):
    """A run of points at 8 users."""
    plan = Plan(
        name="sweep-batch_size",
        target="batched",
        scenario="scenarios/predict.py",
        model="digits-mlp",
        points=tuple(Point(number=each.point, setting=each.setting, arrivals=Closed(users=8)) for each in points),
        trials=(),
        fixed=fixed or {},
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
        repeats=1,
        seed=0,
    )
    return plan, RunResult(points=points, recommendation=Recommendation(sentence=""), verdict=Verdict.VALID)


def point(rate, tail_ms, number=0, batch_size=1, **more):
    """Throughput and p99, both known to 1 %."""
    tail = quantile_of(tail_ms, 0.99 * tail_ms, 1.01 * tail_ms)
    return point_of(rate, number=number, setting={"batch_size": batch_size}, tail=tail, **more)


def test_each_figure_counts_in_its_own_direction():
    before = run_of(point(1000, 10), point(1000, 10, 1, 4), point(1000, 10, 2, 16))
    after = run_of(point(1500, 10), point(1000, 15, 1, 4), point(1500, 5, 2, 16))
    comparison = compare_runs(before, after)
    found = [(each.throughput_rps.change, each.p99_ms.change) for each in comparison.points]
    assert found[0][0] is Change.IMPROVED
    assert found[1][1] is Change.REGRESSION
    assert found[2] == (Change.IMPROVED, Change.IMPROVED)
    assert comparison.points[1].p99_ms.ratio.value == pytest.approx(1.5)
    assert comparison.change is Change.REGRESSION


def test_a_change_within_the_margin_is_none():
    # 1 % on both sides: the interval of 1.2 begins at 1.2 * exp(-0.0141) = 1.183.
    before, after = run_of(point(1000, 10)), run_of(point(1200, 10))
    steady = {margin: compare_runs(before, after, margin, drift=0.0) for margin in (0.05, 0.19)}
    assert steady[0.05].points[0].throughput_rps.change is Change.IMPROVED
    assert steady[0.19].points[0].throughput_rps.change is not Change.IMPROVED


def test_what_the_machine_may_drift_by_between_two_times_is_no_change():
    slower = compare_runs(run_of(point(1000, 10)), run_of(point(800, 10)))
    # 20 % less lies within 1.96 standard deviations of a drift of 10 %.
    assert (slower.change, slower.within_drift) == (Change.INCONCLUSIVE, 1)
    low, high = slower.points[0].throughput_rps.ratio.ends
    assert (low, high) == (
        pytest.approx(0.8 * math.exp(-0.1965), rel=0.001),
        pytest.approx(0.8 * math.exp(0.1965), rel=0.001),
    )
    assert "1 point differs by more than the runs scatter" in comparison_text(slower)
    assert compare_runs(run_of(point(1000, 10)), run_of(point(800, 10)), drift=0.0).change is Change.REGRESSION
    same = compare_runs(run_of(point(1000, 10)), run_of(point(1000, 10)))
    assert (same.change, same.within_drift) == (Change.INCONCLUSIVE, 0)


def test_a_drift_comes_to_all_points_alike():
    before = run_of(*(point(1000, 10, number, 2**number) for number in range(8)))
    # All are 15 % slower, the last one 35 %: it changed, the others may have drifted.
    after = run_of(*(point(650 if number == 7 else 850, 10, number, 2**number) for number in range(8)))
    changes = [each.throughput_rps.change for each in compare_runs(before, after).points]
    assert changes == [Change.INCONCLUSIVE] * 7 + [Change.REGRESSION]


def test_a_point_that_kept_its_level_while_all_others_gained_is_no_regression():
    before = run_of(*(point(1000, 10, number, 2**number) for number in range(8)))
    after = run_of(*(point(1000 if number == 7 else 1300, 10, number, 2**number) for number in range(8)))
    assert compare_runs(before, after).points[7].throughput_rps.change is not Change.REGRESSION


def test_points_are_matched_by_knobs_and_load_and_not_by_number():
    before = run_of(point(1000, 10), point(2000, 10, 1, 4))
    after = run_of(point(2000, 10, 0, 4), point(3000, 10, 1, 8))
    comparison = compare_runs(before, after)
    assert [each.before.throughput_rps.value for each in comparison.points] == [2000]
    assert (comparison.only_before, comparison.only_after) == (1, 1)
    assert "1 point is in BEFORE only\n1 point is in AFTER only" in comparison_text(comparison)
    more = compare_runs(run_of(point(1000, 10), point(2000, 10, 1, 4), point(3000, 10, 2, 8)), run_of(point(1000, 10)))
    assert "2 points are in BEFORE only" in comparison_text(more)


def test_a_knob_that_was_fixed_counts_as_one_that_was_swept():
    swept = run_of(point(1000, 10, batch_size=4))
    plan, result = run_of(point_of(1000, setting={}), fixed={"batch_size": 4})
    assert len(compare_runs(swept, (plan, result)).points) == 1


def test_an_invalid_point_says_nothing():
    comparison = compare_runs(run_of(point(1000, 10)), run_of(point(100, 99, findings=(invalid(),))))
    assert comparison.points[0].throughput_rps is None
    assert comparison.change is Change.INCONCLUSIVE


def test_a_withheld_percentile_leaves_the_throughput():
    before = run_of(point_of(1000, tail=quantile_of(None)))
    comparison = compare_runs(before, run_of(point_of(2000, tail=quantile_of(10.0, 9.0, 11.0))))
    assert comparison.points[0].p99_ms is None
    assert comparison.change is Change.IMPROVED


def test_text_and_json_say_the_same():
    comparison = compare_runs(run_of(point(1000, 10)), run_of(point(500, 10)))
    text = comparison_text(comparison)
    assert "batch_size=1, 8 users" in text
    assert "\u00d70.5 (" in text
    assert text.endswith("REGRESSION: 1 worse")
    (found,) = comparison_json(comparison)["points"]
    assert found["throughput_rps"]["ratio"] == pytest.approx(0.5)
    assert found["change"] is Change.REGRESSION


def streaming(ttft_ms):
    """A point of 1000 tokens/s whose TTFT is known to 1 %, and whose p99 response time stays the same."""
    median = msgspec.structs.replace(quantile_of(ttft_ms, 0.99 * ttft_ms, 1.01 * ttft_ms), p=0.5)
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    stream = StreamMetrics(
        ttft=Latency(count=100, mean_ms=ttft_ms, max_ms=ttft_ms, quantiles=(median,)), itl=nothing, tpot=nothing,
        tokens_per_s=Interval(1000, 990, 1010), prompt_tokens=None, output_tokens=None, in_flight=8.0,
    )  # fmt: skip
    return msgspec.structs.replace(point(100, 1000), stream=stream)


def test_a_first_token_that_comes_five_times_as_late_is_a_regression():
    comparison = compare_runs(run_of(streaming(100)), run_of(streaming(500)))
    assert comparison.points[0].streams["TTFT p50"].ratio.value == pytest.approx(5)
    assert comparison.change is Change.REGRESSION
    assert comparison_json(comparison)["points"][0]["TTFT p50"]["change"] == "REGRESSION"
    text = comparison_text(comparison)
    assert "tokens/s" in str(text)
    assert "TTFT p50" in str(text)
    assert compare_runs(run_of(streaming(100)), run_of(streaming(100))).change is not Change.REGRESSION


def test_another_model_or_scenario_is_named_and_another_target_may_be_meant():
    plan, result = run_of(point(1000, 10))
    other = msgspec.structs.replace(plan, model="digits-cnn", scenario="image", target="threaded")
    found = compare_runs((plan, result), (other, result))
    assert found.other_service == (
        "Another model: digits-mlp before, digits-cnn now.",
        "Another scenario: scenarios/predict.py before, image now.",
    )
    assert found.other_service[0] in comparison_text(found)
    assert comparison_json(found)["other_service"] == found.other_service
    assert compare_runs((plan, result), (plan, result)).other_service == ()


def variants_of(batch_size):
    """A comparison of 8 against `batch_size`."""
    sides = (Variant(name="A", target="batched", setting={"batch_size": 8}),
             Variant(name="B", target="batched", setting={"batch_size": batch_size}))  # fmt: skip
    points = [point_of(1000, number=number, setting={"variant": side.name}) for number, side in enumerate(sides)]
    plan, result = run_of(*points)
    return msgspec.structs.replace(plan, pairing=Pairing(variants=sides, margin=0.05, budget_s=60.0)), result


def test_variants_of_one_name_are_the_same_point_only_where_they_have_the_same_knobs():
    comparison = compare_runs(variants_of(16), variants_of(64))
    assert [each.after.setting for each in comparison.points] == [{"variant": "A"}]
    assert (comparison.only_before, comparison.only_after) == (1, 1)
