"""Plans within a budget."""

import pytest

from harness.errors import UserError
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, first_look_seconds
from harness.plan.plan_draft import within_budget


def plan_of(points, budget_s):
    return Plan(
        target="batched",
        scenario="scenarios/predict.py",
        points=tuple(
            Point(number=number, setting={"batch_size": 1}, arrivals=Closed(users=1)) for number in range(points)
        ),
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
        budget_seconds=budget_s,
    )


def test_a_look_costs_trials_and_starts_of_the_target():
    planned = within_budget(plan_of(16, 180.0), (0, 1) * 8, given=True)
    assert planned.trials == ()
    assert planned.starts == (0, 1) * 8
    # 16 trials of 0.5 + 2 + 1 s, and two starts of 10 s
    assert first_look_seconds(planned) == 16 * 3.5 + 2 * 10.0


def test_a_given_budget_that_is_too_small_is_refused():
    with pytest.raises(UserError, match=r"--budget 60s: a look at each of 16 points takes about 66 s; give more"):
        within_budget(plan_of(16, 60.0), (0,) * 16, given=True)


def test_a_default_budget_grows():
    assert within_budget(plan_of(16, 180.0), (0,) * 16, given=False).budget_seconds == 180.0
    # 64 trials of 3.5 s and a start are 234 s; times 1.6 that is 6.2 minutes
    assert within_budget(plan_of(64, 180.0), (0,) * 64, given=False).budget_seconds == 7 * 60.0
