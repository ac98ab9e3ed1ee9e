"""The run directory of a training run."""

import pytest
from fits_of import plan_of

from harness.errors import UserError
from harness.record.machine.environment import capture
from harness.record.run_dir import RunDir
from harness.record.run_folder import kind_of
from harness.training.run_dir import FitRecord, TrainingDir, TrainingRecord

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path):
    folder = TrainingDir.create(tmp_path / "run")
    record = TrainingRecord(
        plan=plan_of("learning_rate", seeds=2),
        command_line="python -m harness sweep learning_rate",
        started_at="2026-11-25T16:00:00+00:00",
        harness_version="0",
        environment=capture(),
    )
    folder.write(record)
    return folder, record


def test_a_record_is_read_as_it_was_written(run):
    folder, record = run
    assert folder.read() == record
    assert kind_of(folder.path) == "training"


def test_a_folder_of_the_other_kind_is_refused_in_words(run):
    folder, _ = run
    with pytest.raises(UserError, match="holds a run of training; give the folder of a run of serving"):
        RunDir.open(folder.path, "DIR").read()
    (folder.path / "run.json").write_text('{"plan": 1}')
    with pytest.raises(UserError, match="holds a run of serving; give the folder of a run of training"):
        folder.read()
    (folder.path / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        folder.read()
    assert kind_of(folder.path / "none") is None


def test_what_has_no_record_or_did_not_finish_is_to_be_trained_again(run):
    folder, record = run
    plan = record.plan
    for number, finished in ((0, True), (1, False)):
        trial = plan.trials[number]
        fit = folder.trial(trial, plan.point(trial.point))
        fit.create()
        fit.write(FitRecord(trial=trial, point=plan.point(trial.point), finished=finished))
    assert [trial.number for trial, _ in folder.unfinished(plan)] == [1, 2, 3, 4, 5]


def test_a_trial_that_was_killed_at_once_is_evidence_of_nothing(run):
    folder, record = run
    plan = record.plan
    trial = plan.trials[0]
    folder.trial(trial, plan.point(trial.point)).create()
    (evidence,) = folder.data(plan)
    assert evidence.epochs == ()
    assert evidence.fit is None
    assert evidence.failure == "the trial was cut off before its end"
