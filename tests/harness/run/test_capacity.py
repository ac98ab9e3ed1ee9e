"""How the plan of a capacity run grows by what was measured."""

from __future__ import annotations

import math

import msgspec
import pytest
from answers_of import invalid, point_of, quantile_of

from harness.judge.findings import Finding, Verdict
from harness.judge.slo_check import trusted, worst_tail_ratio
from harness.plan.arrivals import Closed, Poisson
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.plan.slo import parse_slo
from harness.run.capacity import CONFIRMING_TRIALS, FIRST_USERS, longer

SLO = parse_slo("p99<20ms")
CAPACITY_RPS = {1: 1000.0, 16: 5000.0}  # by batch_size
LATE = Finding(
    kind="lateness",
    title="Requests left late",
    lengthens=True,
    verdict=Verdict.INVALID,
    text="Requests left late.",
    remedy="",
)


def plan_of(*sizes):
    points = tuple(
        Point(number=number, setting={"batch_size": size}, arrivals=Closed(users=FIRST_USERS))
        for number, size in enumerate(sizes)
    )
    return Plan(
        name="capacity",
        target="batched",
        scenario="scenarios/predict.py",
        model="digits-mlp",
        points=points,
        trials=tuple(Trial(number=each.number, point=each.number, repeat=0, seed=each.number) for each in points),
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
        repeats=1,
        slo=SLO,
        capacity=True,
        seed=1,
    )


def measure(point, findings=()):
    """A target without noise, whose p99 grows by a factor of e for 10 % more load."""
    capacity_rps = CAPACITY_RPS[point.setting["batch_size"]]
    if isinstance(point.arrivals, Closed):
        return point_of(1.2 * capacity_rps, number=point.number, setting=point.setting, users=point.arrivals.users)
    tail_ms = 20 * math.exp((point.arrivals.rate_rps / capacity_rps - 1) * 10)
    found = point_of(
        point.arrivals.rate_rps,
        number=point.number,
        setting=point.setting,
        users=None,
        tail=quantile_of(tail_ms, tail_ms, tail_ms),
        meets=tail_ms <= 20,
        findings=findings,
    )
    return msgspec.structs.replace(found, rate_target_rps=point.arrivals.rate_rps)


def search(plan, findings=()):
    while True:
        grown = longer(plan, {point.number: measure(point, findings) for point in plan.points})
        if grown is None:
            return plan
        assert grown.trials[:-1] == plan.trials
        plan = grown


def rates(plan, size):
    return {
        point.arrivals.rate_rps: sum(trial.point == point.number for trial in plan.trials)
        for point in plan.points
        if point.setting["batch_size"] == size and isinstance(point.arrivals, Poisson)
    }


@pytest.mark.parametrize("findings", [(), (LATE,)], ids=["valid", "late generator"])
def test_each_setting_is_searched_and_what_was_found_is_confirmed(findings):
    plan = search(plan_of(1, 16), findings)
    for size, capacity_rps in CAPACITY_RPS.items():
        kept = {rate: trials for rate, trials in rates(plan, size).items() if rate <= capacity_rps}
        best = max(kept)
        assert 0.98 * capacity_rps <= best <= capacity_rps
        assert kept[best] == CONFIRMING_TRIALS
    numbers = [trial.number for trial in plan.trials]
    assert numbers == list(range(len(numbers)))
    assert len({trial.seed for trial in plan.trials}) == len(numbers)


def test_a_repeat_has_its_own_number():
    plan = search(plan_of(1))
    for point in plan.points:
        repeats = [trial.repeat for trial in plan.trials if trial.point == point.number]
        assert repeats == list(range(len(repeats)))


def test_a_point_that_could_not_be_run_is_too_much():
    plan = plan_of(1)
    assert longer(plan, {}) is None


def test_lateness_speaks_for_an_objective_that_is_kept_in_an_open_loop():
    kept = msgspec.structs.replace(point_of(meets=True, findings=(LATE,)), rate_target_rps=1000.0)
    assert trusted(kept)
    assert not trusted(msgspec.structs.replace(kept, meets_slo=False))
    assert not trusted(msgspec.structs.replace(kept, rate_target_rps=None))
    unsent = Finding(
        kind="rate", title="The requested rate was not reached", verdict=Verdict.INVALID, text="", remedy=""
    )
    assert not trusted(msgspec.structs.replace(kept, findings=(LATE, unsent)))
    assert not trusted(msgspec.structs.replace(point_of(meets=True, findings=(invalid(),)), rate_target_rps=None))


def test_the_worst_bound_leads_the_search():
    point = point_of(tail=quantile_of(30.0, 29.0, 31.0))
    assert worst_tail_ratio(point, SLO) == pytest.approx(1.5)
    assert worst_tail_ratio(point_of(tail=quantile_of(None)), SLO) is None
    assert worst_tail_ratio(point, parse_slo("errors<1%")) is None
