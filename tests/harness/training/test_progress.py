"""What is reported while a model is trained."""

from fits_of import S, epochs_of, fits_of, plan_of

from harness.training import progress
from harness.training.progress import TimeLeft, epoch_text, result_text
from harness.training.training_summary import summarise_fit


def test_the_time_left_counts_epochs_and_starts(monkeypatch):
    now_s = iter([0])
    monkeypatch.setattr(progress, "monotonic_ns", lambda: next(now_s) * S)
    left = TimeLeft(fits=2, epochs=8)
    left.fit_started()
    assert left.seconds is None
    rows = epochs_of([0.5] * 4, seconds=1.0)  # of two seconds each, judging included; the trainer started at once
    for row in rows:
        left.epoch_ended(row)
    assert left.seconds == 8  # four epochs of the second fit


def test_epochs_that_were_skipped_are_not_waited_for():
    left = TimeLeft(fits=1, epochs=10)
    left.epoch_ended(epochs_of([0.5])[0])
    left.fit_ended(skipped_epochs=9)
    assert left.seconds == 0


def test_an_epoch_and_a_fit_as_text():
    plan = plan_of(seeds=1)
    rows = epochs_of([0.5, 0.75], losses=[1.0, 0.512345])
    (evidence,) = fits_of(plan, lambda *_: (rows, 0.7))
    assert epoch_text(rows[1]) == "loss 0.512, accuracy 0.750 (validation 0.512, 0.750)"
    assert result_text(summarise_fit(evidence, plan)) == "test accuracy 0.700, loss 0.2, 100 examples/s"
