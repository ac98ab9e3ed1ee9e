"""When a run goes on after trials that failed, and when it is past saving."""

import pytest

from harness.errors import RunError
from harness.plan.arrivals import Closed
from harness.plan.plan import Plan, Point, Trial
from harness.record.run_dir import TrialRecord
from harness.run.failures import Failures

POINTS = tuple(
    Point(number=number, setting={"workers": 1 + number // 2}, arrivals=Closed(users=1 + number % 2))
    for number in range(6)
)


def failures(points=POINTS):
    return Failures(Plan(target="t", scenario="s.py", points=points))


def record(point, failure=None, *, loaded=False):
    trial = Trial(number=0, point=point, repeat=0, seed=0)
    code = 0 if failure is None or loaded else None
    return TrialRecord(trial=trial, point=POINTS[point], finished=failure is None, failure=failure, load_exit_code=code)


def test_a_setting_that_cannot_be_started_is_known_and_the_others_go_on():
    seen = failures()
    seen.see(record(0, "died at start"))
    assert seen.of_start(POINTS[1]) == "died at start"  # the same setting under another load
    assert seen.of_start(POINTS[2]) is None
    seen.see(record(1, "died at start"))
    seen.see(record(2))
    for point in (3, 4, 5):
        seen.see(record(point, "died at start"))
    seen.require_start()


def test_three_starts_of_two_settings_without_any_success_are_the_end():
    seen = failures()
    for point in (0, 1, 0):
        seen.see(record(point, "no port"))  # one setting: the other may start
    with pytest.raises(RunError, match="4 trials in a row failed, the last: no memory"):
        seen.see(record(2, "no memory"))


def test_three_failures_of_the_load_in_a_row_are_the_end():
    seen = failures()
    seen.see(record(0))
    for point in (1, 2):
        seen.see(record(point, "the load process ended with exit code 3", loaded=True))
    with pytest.raises(RunError, match="3 trials in a row failed"):
        seen.see(record(3, "the load process ended with exit code 3", loaded=True))


def test_a_run_of_which_nothing_could_be_started_failed():
    seen = failures(POINTS[:1])
    seen.see(record(0, "died at start"))
    with pytest.raises(RunError, match=r"^died at start$"):
        seen.require_start()
    of_load = failures(POINTS[:1])
    of_load.see(record(0, "the target died during the trial", loaded=True))
    of_load.require_start()
