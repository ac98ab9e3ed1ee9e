"""The run directory: written whole, found again, never mixed up."""

import resource

import pytest

from harness.errors import RunError, UserError
from harness.files import write_whole
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.load_report import LoadReport
from harness.record.machine.environment import capture
from harness.record.run_dir import RunDir, RunRecord, TrialRecord

POINTS = (
    Point(number=0, setting={"batch_size": 1}, arrivals=Closed(users=1)),
    Point(number=1, setting={"batch_size": 4}, arrivals=Closed(users=1)),
)
TRIALS = tuple(Trial(number=number, point=number, repeat=0, seed=number) for number in range(2))
PLAN = Plan(
    name="sweep-batch_size", target="batched", scenario="s.py", model="m", points=POINTS, trials=TRIALS,
    load=LoadSettings(measure_s=1.0), repeats=1, seed=1,
)  # fmt: skip


def record():
    return RunRecord(
        plan=PLAN, command_line="", started_at="2026-01-01T00:00:00+00:00", harness_version="0", environment=capture()
    )


def end_trial(run, number, *, finished=True):
    folder = run.trial(TRIALS[number], POINTS[number])
    folder.create()
    folder.write(TrialRecord(trial=TRIALS[number], point=POINTS[number], finished=finished))
    return folder


@pytest.mark.process
def test_a_run_is_read_as_it_was_written(tmp_path):
    run = RunDir.create(tmp_path / "run")
    run.write(record())
    assert RunDir.open(run.path, "DIR").read() == record()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="--resume"):
        RunDir.create(tmp_path)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--resume .*no run\.json"):
        RunDir.open(tmp_path, "--resume")


@pytest.mark.process
def test_a_damaged_run_is_the_users_to_know(tmp_path):
    run = RunDir.create(tmp_path / "run")
    run.write(record())
    (run.path / "run.json").write_bytes(b'{"plan": ')
    with pytest.raises(UserError, match="damaged"):
        run.read()


def test_only_what_did_not_finish_is_left_to_do(tmp_path):
    run = RunDir.create(tmp_path / "run")
    end_trial(run, 0)
    assert [trial.number for trial, _ in run.unfinished(PLAN)] == [1]
    end_trial(run, 1, finished=False)
    assert [trial.number for trial, _ in run.unfinished(PLAN)] == [1]


def test_what_trials_took_is_known_of_those_that_recorded_it(tmp_path):
    run = RunDir.create(tmp_path / "run")
    folder = end_trial(run, 0)
    assert run.spent_seconds(PLAN) == {}
    folder.write(TrialRecord(trial=TRIALS[0], point=POINTS[0], finished=True, spent_seconds=3.5))
    assert run.spent_seconds(PLAN) == {0: 3.5}


def test_an_unfinished_trial_is_set_aside_and_kept(tmp_path):
    run = RunDir.create(tmp_path / "run")
    folder = end_trial(run, 1, finished=False)
    (folder.path / "requests.arrow").write_bytes(b"rows")
    again = end_trial(run, 1)
    aside = again.path.with_name(f"{again.path.name}.unfinished-1")
    assert (aside / "requests.arrow").read_bytes() == b"rows"
    assert again.read().finished


def test_evidence_is_of_the_trials_that_were_begun(tmp_path):
    run = RunDir.create(tmp_path / "run")
    folder = end_trial(run, 1)
    report = LoadReport(
        worker=0, pid=1, final=True, stop_reason="measured", start_ns=0, measure_start_ns=0, measure_end_ns=1,
        drain_end_ns=1, scheduled=0, not_sent=0, sent=0, ok=0, wrong=0, error=0, timeout=0, rejected=0, aborted=0,
        rows_written=0,
    )  # fmt: skip
    import msgspec

    (folder.path / "load.json").write_bytes(msgspec.json.encode(report))
    (folder.path / "load-1.json").write_bytes(b"{")  # cut off: a worker that is missing
    evidence = run.trial_data(PLAN, next(run.begun(PLAN)))
    assert evidence.trial.number == 1
    assert evidence.reports == (report,)
    assert evidence.rows is None


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    first, second = RunDir(tmp_path), RunDir(tmp_path)
    first.lock()
    with pytest.raises(UserError, match="another run is writing"):
        second.lock()


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.json"
    write_whole(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        with pytest.raises(RunError, match="File too large; raise `ulimit -f`"):
            write_whole(path, b"new" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
