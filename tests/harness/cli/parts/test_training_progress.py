"""What is told while a model is trained."""

import json

import pytest
from click.testing import CliRunner
from fits_of import S, epochs_of, fits_of, plan_of

from harness.cli.main import cli
from harness.cli.parts import training_progress
from harness.cli.parts.training_progress import PlainProgress, TimeLeft, epoch_words, result_words
from harness.cli.parts.training_run import asks_for_training
from harness.errors import UserError
from harness.training.events import EpochEnded, FitEnded, FitStarted, TrainingStarted
from harness.training.summarise import summarise_fit


def test_the_time_left_counts_epochs_and_starts(monkeypatch):
    now_s = iter([0])
    monkeypatch.setattr(training_progress, "monotonic_ns", lambda: next(now_s) * S)
    left = TimeLeft()
    left.started(fits_left=2, epochs_left=8)
    left.fit_started()
    assert str(left) == "-:--"
    rows = epochs_of([0.5] * 4, seconds=1.0)  # of two seconds each, judging included; the trainer started at once
    for row in rows:
        left.epoch_ended(row)
    assert str(left) == "0:08"  # four epochs of the second fit


def test_epochs_that_were_skipped_are_not_waited_for():
    left = TimeLeft()
    left.started(fits_left=1, epochs_left=10)
    left.epoch_ended(epochs_of([0.5])[0])
    left.fit_ended(skipped_epochs=9)
    assert str(left) == "0:00"


def test_words_of_an_epoch_and_of_a_fit():
    plan = plan_of(seeds=1)
    rows = epochs_of([0.5, 0.75], losses=[1.0, 0.512345])
    (evidence,) = fits_of(plan, lambda *_: (rows, 0.7))
    assert epoch_words(rows[1]) == "loss 0.512, accuracy 0.750 (validation 0.512, 0.750)"
    assert result_words(summarise_fit(evidence, plan)) == "test accuracy 0.700, loss 0.2, 100 examples/s"


def test_a_log_has_a_line_per_fit_and_some_per_epoch_where_there_is_one_fit(capsys):
    plan = plan_of("epochs=20", seeds=1)
    (trial,), (point,) = plan.trials, plan.points
    rows = epochs_of([0.9] * 20)
    tell = PlainProgress()
    tell(TrainingStarted(plan, 1, 20))
    tell(FitStarted(trial, point, 20))
    for row in rows:
        tell(EpochEnded(row))
    tell(FitEnded(trial, point, None, "the trainer died with exit code 9"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[1/1] seed 1 ..."
    assert sum(line.startswith("epoch ") for line in lines) == 11  # the first, and every second
    assert lines[-1].endswith("seed 1: FAILED: the trainer died with exit code 9")


def test_knobs_of_training_and_of_serving_are_told_apart():
    assert asks_for_training(["learning_rate", "dropout=0.1"])
    assert not asks_for_training(["batch_size", "concurrency=1,2"])
    assert not asks_for_training([])
    with pytest.raises(UserError, match="first `sweep dropout`, then `sweep batch_size`"):
        asks_for_training(["batch_size", "dropout"])
    with pytest.raises(UserError, match="did you mean 'dropout'"):
        asks_for_training(["dropuot"])


def test_a_sweep_of_training_knobs_without_a_model_is_of_the_worked_example():
    done = CliRunner().invoke(cli, ["sweep", "learning_rate", "--dry-run", "--json"])
    assert json.loads(done.output)["plan"]["model"] == "digits-mlp"
