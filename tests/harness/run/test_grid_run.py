"""A sweep that measures nothing: its trials' rows are made here, so that what it reads of them can be counted."""

from collections import Counter

import pytest
from evidence_of import closed_loop, report_of

import harness.record.recorder
from harness.judge.run_summary import evaluate
from harness.judge.trial_summary import TrialSummaries
from harness.measure.trial import TrialJob
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.machine.environment import capture
from harness.record.recorder import Recorder, read_rows
from harness.record.rows import ABSENT, COLUMN_NAMES
from harness.record.run_dir import RunDir, RunRecord, TrialRecord
from harness.run import failures
from harness.run.grid_run import run_grid
from harness.run.run_job import RunJob
from harness.system.cpu_cores import plan_isolation

REPEATS = 4
POINTS = tuple(Point(number=n, setting={"batch_size": 1 + n}, arrivals=Closed(users=1)) for n in range(2))
TRIALS = tuple(Trial(number=n, point=n % 2, repeat=n // 2, seed=n) for n in range(2 * REPEATS))


def plan_of(**changes):
    return Plan(
        name="sweep", target="batched", scenario="s.py", model="m", points=POINTS, trials=TRIALS,
        load=LoadSettings(measure_s=2.0), repeats=REPEATS, seed=1, **changes,
    )  # fmt: skip


def fake_trial(job):
    """What a trial leaves behind: rows, a report and a record."""
    import msgspec

    rows = closed_loop(seconds=2.0, seed=job.trial.number)
    job.folder.create()
    recorder = Recorder(job.folder.path / "requests.arrow")
    recorder.open()
    for row in zip(*(rows[name].fill_null(ABSENT).to_pylist() for name in COLUMN_NAMES), strict=True):
        recorder.add(row)
    recorder.write(recorder.take())
    recorder.close()
    (job.folder.path / "load.json").write_bytes(msgspec.json.encode(report_of(rows, 2.0)))
    record = TrialRecord(trial=job.trial, point=job.point, finished=True)
    job.folder.write(record)
    return record


@pytest.fixture
def reads(monkeypatch):
    """How often the rows of each trial were read from disk."""
    counted = Counter()

    def read(path, unread=()):
        counted[path.parent.name] += 1
        return read_rows(path, unread)

    monkeypatch.setattr(harness.record.recorder, "read_rows", read)
    monkeypatch.setattr(failures, "run_trial", fake_trial)
    return counted


def run(folder, plan):
    done = []
    summaries = TrialSummaries(folder)
    isolation = plan_isolation(isolate=False, load_processes=1)
    run_grid(RunJob(plan, folder, None, isolation, lambda event: None, done.append, summaries))
    return summaries, done


@pytest.mark.process
@pytest.mark.parametrize("precision", [None, 1e-6])
def test_the_rows_of_a_trial_are_read_once(tmp_path, reads, precision):
    plan = plan_of(precision=precision)
    folder = RunDir.create(tmp_path / "run")
    record = RunRecord(
        plan=plan, command_line="", started_at="2026-01-01T00:00:00+00:00", harness_version="0", environment=capture()
    )
    summaries, done = run(folder, plan)
    result = evaluate(record, summaries)
    assert [point.repeats for point in result.points] == [REPEATS, REPEATS]
    assert [point.point for point in done] == [0, 1]
    assert set(reads.values()) == {1}
    assert len(reads) == len(TRIALS)
    # A report of the folder has nothing in memory: it reads each trial, and comes to the same numbers.
    assert evaluate(record, TrialSummaries(folder)) == result
    assert set(reads.values()) == {2}


def test_a_resumed_run_reads_its_earlier_trials_once_too(tmp_path, reads):
    plan = plan_of(precision=1e-6)
    folder = RunDir.create(tmp_path / "run")
    for trial in TRIALS[:3]:
        point = plan.point(trial.point)
        fake_trial(TrialJob(plan, trial, point, None, None, folder.trial(trial, point)))
    run(folder, plan)
    assert set(reads.values()) == {1}
    assert len(reads) == len(TRIALS)


def test_a_resumed_run_of_which_only_a_setting_is_left_that_cannot_start_does_not_fail(tmp_path, reads, monkeypatch):
    plan, folder = plan_of(), RunDir.create(tmp_path / "run")
    for trial in TRIALS[::2]:
        fake_trial(TrialJob(plan, trial, POINTS[0], None, None, folder.trial(trial, POINTS[0])))

    def no_start(job):
        job.folder.create()
        record = TrialRecord(trial=job.trial, point=job.point, finished=False, failure="died at start")
        job.folder.write(record)
        return record

    monkeypatch.setattr(failures, "run_trial", no_start)
    run(folder, plan)


def test_whether_there_are_trials_is_asked_of_the_folder(tmp_path, reads):
    plan = plan_of()
    folder = RunDir.create(tmp_path / "run")
    assert not folder.has_trials(plan)
    fake_trial(TrialJob(plan, TRIALS[1], POINTS[1], None, None, folder.trial(TRIALS[1], POINTS[1])))
    assert folder.has_trials(plan)
    assert folder.has_trials(plan, 1)
    assert not folder.has_trials(plan, 0)
    assert not reads
