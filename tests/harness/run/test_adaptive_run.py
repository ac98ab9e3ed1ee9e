"""A plan that grows by a search with a fixed list of trials. They measure nothing: a record is all they leave."""

from types import SimpleNamespace

import pytest

from harness.errors import RunError
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, TrialKind
from harness.record.run_dir import RunDir, TrialRecord
from harness.run import adaptive_run, failures
from harness.run.adaptive_run import ChosenTrial, run_adaptive
from harness.run.events import Note, TrialEnded, TrialStarted
from harness.run.failures import Failures
from harness.run.run_job import RunJob, point_at
from harness.system.cpu_cores import plan_isolation

PLACEHOLDER = Point(number=0, setting={"batch": 1}, arrivals=Closed(users=64))
PLAN = Plan(target="t", scenario="s.py", points=(PLACEHOLDER,), seed=3, load=LoadSettings(measure_s=2.0))


class ListedSearch:
    """Chooses batch sizes from a list. `seen`: what it was given to learn from, as (batch, seconds taken)."""

    left_s = 7.0

    def __init__(self, batches):
        self.batches = batches
        self.seen = []

    def next(self, plan):
        if len(self.seen) == len(self.batches):
            return None
        known = plan if plan.trials else Plan(target="t", scenario="s.py", points=())
        point = point_at(known, {"batch": self.batches[len(self.seen)]}, Closed(users=1))
        return ChosenTrial(point, 4.0, TrialKind.EXPLORE, why="listed")

    def observe(self, done):
        self.seen.append((done.plan.point(done.trial.point).setting["batch"], done.spent_s))

    def name(self, plan, trial):
        return f"batch {plan.point(trial.point).setting['batch']}"

    def announcement(self, plan, trial):
        return "first" if trial.number == 0 else None

    def remark(self, plan):
        return ""


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder, state = RunDir.create(tmp_path / "run"), SimpleNamespace(plan=PLAN, events=[], ran=[])

    def fake_trial(job):
        job.folder.create()
        state.ran.append((job.trial.number, job.plan.seconds))
        assert state.plan.trials[-1].number >= job.trial.number  # the plan is on disk before the trial runs
        if len(state.ran) == state.stop_at:
            job.folder.write(TrialRecord(trial=job.trial, point=job.point, finished=False, failure="interrupted"))
            raise KeyboardInterrupt
        record = TrialRecord(trial=job.trial, point=job.point, finished=True, load_exit_code=0)
        job.folder.write(record)
        return record

    monkeypatch.setattr(failures, "run_trial", fake_trial)
    monkeypatch.setattr(adaptive_run, "point_metrics", figures)
    summaries = SimpleNamespace(read=lambda plan, trial: SimpleNamespace(durations={}))

    def run(batches, stop_at=0):
        state.stop_at = stop_at
        search = ListedSearch(batches)
        isolation = plan_isolation(isolate=False, load_processes=1)
        job = RunJob(state.plan, folder, None, isolation, state.events.append, None, summaries)
        run_adaptive(job, search, Failures(state.plan), lambda longer: setattr(state, "plan", longer))
        return search

    run.state, run.folder = state, folder
    return run


def figures(job, point):
    trials = [SimpleNamespace(trial=each.number) for each in job.plan.trials if each.point == point.number]
    return SimpleNamespace(point=point.number, trials=trials)


def test_the_plan_grows_by_points_and_trials_and_what_each_took_is_recorded(run):
    search = run([1, 8, 1])
    plan = run.state.plan
    assert [(point.number, point.setting["batch"], point.arrivals.users) for point in plan.points] == [
        (0, 1, 1),
        (1, 8, 1),
    ]
    assert [(trial.point, trial.repeat, trial.seed, trial.seconds) for trial in plan.trials] == [
        (0, 0, 3 * 7919, 4.0),
        (1, 0, 3 * 7919 + 1, 4.0),
        (0, 1, 3 * 7919 + 2, 4.0),
    ]
    assert run.state.ran == [(0, 4.0), (1, 4.0), (2, 4.0)]  # each as long as it was chosen to be
    taken = [run.folder.trial(trial, plan.point(trial.point)).read().spent_seconds for trial in plan.trials]
    assert search.seen == list(zip([1, 8, 1], taken, strict=True))
    shown = [event for event in run.state.events if isinstance(event, Note | TrialStarted | TrialEnded)]
    assert [type(event) for event in shown[:3]] == [Note, TrialStarted, TrialEnded]
    assert (shown[1].name, shown[2].name, shown[2].left_s) == ("batch 1", "batch 1", 7.0)


def test_a_run_that_was_stopped_goes_on_with_the_trial_that_was_cut_off(run):
    with pytest.raises(KeyboardInterrupt):
        run([1, 8, 1], stop_at=2)
    assert len(run.state.plan.trials) == 2
    search = run([1, 8, 1])
    assert [batch for batch, _ in search.seen] == [1, 8, 1]
    assert [number for number, _ in run.state.ran] == [0, 1, 1, 2]
    assert len(run.state.plan.trials) == 3


def test_a_budget_that_is_over_before_the_first_trial_is_named(run):
    with pytest.raises(RunError, match=r"the budget was over before the first trial.*--budget"):
        run([])
