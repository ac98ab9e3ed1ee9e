"""When a point is known precisely enough, and what is said where it is not."""

import math

import msgspec
import pytest
from answers_of import point_of, quantile_of
from evidence_of import summarise_run

from harness.judge.conclusions.precision import half_widths, is_settled, with_precision
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, order_trials


def plan_of(precision, repeats=6):
    point = Point(number=0, setting={}, arrivals=Closed(users=8))
    return Plan(
        name="x", target="fixed", scenario="s", model="m", points=(point,), trials=order_trials([0], repeats, 1),
        load=LoadSettings(measure_s=1.0), repeats=repeats, precision=precision, seed=1,
    )  # fmt: skip


def precise(repeats=3, rate_half=20.0, tail=(30.0, 29.0, 31.5)):
    return point_of(1000.0, half=rate_half, tail=quantile_of(*tail), rates=[1000.0] * repeats)


def test_the_half_width_is_the_longer_arm_relative_to_the_value():
    assert half_widths(precise()) == pytest.approx({"throughput": 0.02, "p99": 0.05})
    withheld = point_of(1000.0, half=20.0, tail=quantile_of(None, 20.0, None))
    assert half_widths(withheld)["p99"] == math.inf
    no_rate = msgspec.structs.replace(precise(), throughput_rps=Interval(value=0.0))
    assert half_widths(no_rate)["throughput"] == math.inf


def test_a_point_is_settled_once_all_intervals_are_tight_over_three_repeats():
    assert is_settled(precise(), plan_of(0.051))
    assert not is_settled(precise(), plan_of(0.049))  # p99 is at 5 %
    assert not is_settled(precise(rate_half=60.0), plan_of(0.051))
    assert not is_settled(precise(repeats=2), plan_of(0.5))
    assert not is_settled(precise(), plan_of(None))


def test_a_point_that_never_got_there_says_so_and_what_would_do():
    (marked,) = with_precision([precise(repeats=6)], plan_of(0.025))
    (finding,) = marked.findings
    assert finding.kind == "imprecise"
    assert marked.verdict is Verdict.DEGRADED
    assert "p99 is known to \u00b15\u202f%" in finding.text
    # 60 s gave 5 %: half of that takes four times as long.
    assert "240 s" in finding.remedy
    (withheld,) = with_precision([point_of(tail=quantile_of(None))], plan_of(0.05))
    assert "p99 has no interval yet" in withheld.findings[0].text
    assert with_precision([precise()], plan_of(None)) == (precise(),)


def test_repeats_that_were_not_needed_are_not_missing():
    from evidence_of import closed_loop, evidence_of

    trials = [evidence_of(closed_loop(seed=seed), repeat=seed) for seed in range(4)]
    plan = plan_of(0.5)
    assert summarise_run(plan, trials).missing == ()
    assert len(summarise_run(plan_of(0.0001), trials).missing) == 2
