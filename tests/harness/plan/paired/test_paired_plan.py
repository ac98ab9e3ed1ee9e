from __future__ import annotations

import msgspec
import pytest

from harness.errors import UserError
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.paired_plan import block_of_trials, block_seconds, paired_plan
from harness.plan.plan import Plan, Point

URLS = ("http://127.0.0.1:8000", "http://127.0.0.1:8001")


def plan_of(target="batched", users=(8, 32), **fixed):
    return Plan(
        target=target,
        scenario="scenarios/predict.py",
        model="digits-mlp",
        points=tuple(Point(number=n, setting={}, arrivals=Closed(users=each)) for n, each in enumerate(users)),
        fixed=fixed,
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
        seed=3,
    )


def pair(before, after):
    return paired_plan(before, after, margin=0.05, budget_s=200.0)


def test_every_level_has_both_variants_and_each_is_served_with_its_own_knobs():
    plan = pair(plan_of(batch_size=4, check="all"), plan_of(batch_size=16))
    assert [point.arrivals.users for point in plan.points] == [8, 8, 32, 32]
    requests = [plan.target_request(point) for point in plan.points]
    assert [request.setting for request in requests] == [{"batch_size": 4}, {"batch_size": 16}] * 2
    assert {request.target for request in requests} == {"batched"}
    assert [plan.load_at(point).check for point in plan.points[:2]] == ["all", plan.load.check]
    assert plan.pairing.texts() == ("A (batch_size=4, check=all)", "B (batch_size=16)")


def test_what_the_variants_share_is_fixed_and_the_rest_varies():
    plan = pair(plan_of(batch_size=4, replicas=2), plan_of(batch_size=16, replicas=2, check="all"))
    assert plan.fixed == {"replicas": 2}
    assert plan.varied == ("variant", "batch_size", "check")
    assert [plan.setting_of(point) for point in plan.points[:2]] == [
        {"variant": "A", "batch_size": 4, "replicas": 2},
        {"variant": "B", "batch_size": 16, "replicas": 2, "check": "all"},
    ]


def test_two_targets():
    plan = pair(plan_of(URLS[0]), plan_of(URLS[1]))
    assert plan.pairing.targets == URLS
    assert [plan.target_request(point).target for point in plan.points] == [*URLS, *URLS]
    assert plan.pairing.texts() == (f"A ({URLS[0]})", f"B ({URLS[1]})")
    assert not plan.pairing.fresh


def test_a_block_has_one_trial_of_each_and_the_next_one_turns_each_pair_round():
    plan = pair(plan_of(), plan_of())
    first, second = block_of_trials(plan, 0), block_of_trials(plan, 1)
    assert sorted(trial.point for trial in first) == sorted(trial.point for trial in second) == [0, 1, 2, 3]
    for level in (0, 1):
        sides = [[trial.point % 2 for trial in block if trial.point // 2 == level] for block in (first, second)]
        assert sides[0] == sides[1][::-1]
        seeds = {trial.seed for trial in first if trial.point // 2 == level}
        assert len(seeds) == 1  # the same payloads and arrivals for both
    assert all(one.point // 2 == other.point // 2 for one, other in zip(first[::2], first[1::2], strict=True))
    longer = msgspec.structs.replace(plan, trials=first)
    assert [trial.number for trial in block_of_trials(longer, 1)] == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("knob", "fresh"),
    [({"batch_size": 16}, False), ({"engine": "onnxruntime"}, True), ({"check": "off"}, False)],
)
def test_only_what_cannot_change_while_a_target_runs_takes_a_start_of_it(knob, fresh):
    plan = pair(plan_of(), plan_of(**knob))
    assert plan.pairing.fresh is fresh
    assert all(plan.target_request(point).fresh is fresh for point in plan.points)
    assert (block_seconds(plan) > 40) is fresh  # four starts of 10 s


def test_a_budget_that_does_not_last_for_three_blocks_is_refused():
    with pytest.raises(UserError, match="--budget 10s: 3 blocks of both variants take about 42 s"):
        paired_plan(plan_of(), plan_of(), margin=0.05, budget_s=10.0)


def test_what_cannot_be_compared():
    swept = msgspec.structs.replace(plan_of(), points=(Point(number=0, setting={"x": 1}, arrivals=Closed(users=8)),))
    with pytest.raises(UserError, match="one value of each knob"):
        pair(plan_of(), swept)
    with pytest.raises(UserError, match="load levels"):
        pair(plan_of(users=(8,)), plan_of(users=(16,)))
