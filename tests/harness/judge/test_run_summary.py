"""What `summarise_run` hands on to the module that makes a recommendation."""

from dataclasses import replace

import msgspec
import pytest
from evidence_of import closed_loop, evidence_of

from harness.judge.run_summary import summarise_run
from harness.judge.trial_summary import summarise_trial
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial, TrialKind

POINTS = tuple(Point(number=n, setting={"batch_size": 4**n}, arrivals=Closed(users=1)) for n in range(4))
TRIALS = tuple(Trial(number=n, point=n, repeat=0, seed=n, kind=TrialKind.EXPLORE) for n in range(2))
PLAN = Plan(
    name="sweep", target="batched", scenario="s.py", model="m", points=POINTS, trials=TRIALS, starts=(0, 0, 0, 0),
    load=LoadSettings(warmup_s=1.0, measure_s=10.0), budget_seconds=180.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def more_s():
    """A function from what trials took to the seconds that are missing after two trials of a sweep of four points."""
    data = [replace(evidence_of(closed_loop()), trial=TRIALS[n], point=POINTS[n]) for n in range(2)]
    summaries = [summarise_trial(each, None) for each in data]
    return lambda spent_s, plan=PLAN: summarise_run(plan, summaries, None, spent_s).recommendation.more_seconds


def test_the_time_that_a_stopped_sweep_misses_counts_what_its_trials_took(more_s):
    # Without a record a trial counts 10 s, 1 s of warm-up, 1 s beside them, and a fourth of the one start of 10 s.
    assert more_s({0: 30.0, 1: 5.0}) == pytest.approx(more_s({}) * 5.0 / 14.5)
    assert more_s({0: 30.0, 1: 5.0}) >= 5.0 * (6 + 2)  # six that confirm, and one of each point that has none
    assert more_s({0: 30.0}) == more_s({})  # the first trial waits for the target to start, as no other does


def test_what_is_left_of_the_budget_does_not_count(more_s):
    longer = msgspec.structs.replace(PLAN, budget_seconds=3600.0)
    assert more_s({}, longer) == more_s({})
    assert more_s({1: 7.0}, longer) == more_s({1: 7.0})
