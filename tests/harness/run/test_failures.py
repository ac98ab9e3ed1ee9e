"""When a run goes on after trials that failed, and when it is past saving."""

import pytest

from harness.errors import RunError, UserError
from harness.measure.trial import TrialJob
from harness.plan.arrivals import Closed
from harness.plan.plan import Plan, Point, Trial
from harness.record.run_dir import RunDir, TrialRecord
from harness.run import failures as module
from harness.run.failures import Failures
from harness.system.cpu_cores import plan_isolation

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
    with pytest.raises(RunError, match="none of 2 settings could be started, the last: no memory"):
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


def test_where_deaths_are_results_of_settings_they_end_a_run_that_has_measured_nothing_only():
    seen = Failures(Plan(target="t", scenario="s.py", points=POINTS), most=3, of_settings=True)
    seen.see(record(0, "killed under load", loaded=True))
    seen.see(record(2, "no memory"))
    with pytest.raises(RunError, match="none of 3 settings could be started, the last: killed"):
        seen.see(record(4, "killed under load", loaded=True))
    seen = Failures(Plan(target="t", scenario="s.py", points=POINTS), most=3, of_settings=True)
    seen.see(record(0))
    for point in (2, 3, 4, 5):
        seen.see(record(point, "killed under load", loaded=True))


def test_what_an_earlier_part_of_the_run_measured_counts():
    seen = failures()
    seen.recall(record(0))
    for point in (2, 3, 4, 5):
        seen.see(record(point, "died at start"))
    seen.require_start()
    seen = failures()
    for point in range(6):
        seen.recall(record(point, "died at start"))  # it ends nothing: what is left may start
    assert seen.of_start(POINTS[5]) == "died at start"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a trial of a point; `does_it` is what happens."""
    plan = Plan(target="t", scenario="s.py", points=POINTS)
    folder = RunDir.create(tmp_path / "run")

    def run(seen, point, does_it):
        monkeypatch.setattr(module, "run_trial", does_it)
        trial = Trial(number=point, point=point, repeat=0, seed=0)
        isolation = plan_isolation(isolate=False, load_processes=1)
        return seen.run(TrialJob(plan, trial, POINTS[point], None, isolation, folder.trial(trial, POINTS[point])))

    return run


def refused(job):
    """As `run_trial` where a setting is a mistake of the user: it writes the record and raises."""
    job.folder.create()
    job.folder.write(TrialRecord(trial=job.trial, point=job.point, finished=False, failure="no such engine"))
    raise UserError("no such engine")


def test_a_mistake_of_the_user_ends_the_run_at_the_first_start(run):
    with pytest.raises(UserError, match="no such engine"):
        run(failures(), 0, refused)


def test_a_setting_that_is_a_mistake_fails_alone_once_another_has_run(run):
    seen = failures()
    seen.see(record(0))
    found = run(seen, 2, refused)
    assert found.failure == "no such engine"
    seen.see(found)
    again = run(seen, 3, lambda job: pytest.fail("the setting is known not to start"))  # another load of it
    assert (again.failure, again.finished) == ("no such engine", False)
