"""Live progress of a training run: rich on a terminal, plain lines elsewhere. All of it goes to standard error."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.judge.number_text import figure
from harness.plan.knobs import format_value
from harness.run.events import Note, Preparing
from harness.training.events import EpochEnded, FitEnded, FitStarted, TrainingStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from harness.plan.plan import Trial
    from harness.training.epochs import Epoch
    from harness.training.events import TrainingEvent, TrainingListener
    from harness.training.metrics import FitMetrics
    from harness.training.plan import TrainingPoint

LINES_PER_FIT = 10  # of a log; a terminal sees every epoch


def fit_words(trial: Trial, point: TrainingPoint) -> str:
    """`learning_rate=0.01, seed 2`, for a line of progress."""
    words = [f"{name}={format_value(value)}" for name, value in point.setting.items()]
    return ", ".join([*words, f"seed {trial.seed}"])


def epoch_words(row: Epoch) -> str:
    """`loss 0.31, accuracy 0.942 (validation 0.41, 0.913)`."""
    train = f"loss {figure(row.train_loss, 3)}, accuracy {row.train_accuracy:.3f}"
    return f"{train} (validation {figure(row.validation_loss, 3)}, {row.validation_accuracy:.3f})"


def result_words(metrics: FitMetrics) -> str:
    """`test accuracy 0.964, loss 0.13`, with the verdict where it is not VALID."""
    verdict = "" if metrics.verdict == "VALID" else f" {metrics.verdict}"
    if metrics.test_accuracy is None:
        kinds = ", ".join(finding.kind.value.replace("_", " ") for finding in metrics.findings)
        return f"{kinds or 'no test'}{verdict}"
    loss = "" if metrics.test_loss is None else f", loss {figure(metrics.test_loss, 3)}"
    rate = "" if metrics.samples_per_s is None else f", {figure(metrics.samples_per_s)} examples/s"
    return f"test accuracy {metrics.test_accuracy:.3f}{loss}{rate}{verdict}"


class TimeLeft:
    """How long the rest will take, from the epochs and the starts of trainers seen so far."""

    def __init__(self) -> None:
        self._fits = self._epochs = 0
        self._epoch_ns = self._start_ns = self._begun_ns = 0
        self._seen_epochs = self._seen_starts = 0

    def started(self, fits_left: int, epochs_left: int) -> None:
        """The run begins."""
        self._fits, self._epochs = fits_left, epochs_left

    def fit_started(self) -> None:
        """A trainer is started."""
        self._begun_ns = monotonic_ns()
        self._fits -= 1

    def epoch_ended(self, row: Epoch) -> None:
        """An epoch is over."""
        if row.epoch == 1:
            self._start_ns += row.begin_ns - self._begun_ns
            self._seen_starts += 1
        self._epoch_ns += row.end_ns - row.begin_ns
        self._seen_epochs += 1
        self._epochs -= 1

    def fit_ended(self, skipped_epochs: int) -> None:
        """A fit is over, of which `skipped_epochs` were not run."""
        self._epochs -= skipped_epochs

    def __str__(self) -> str:
        if not self._seen_epochs:
            return "-:--"
        starts_ns = self._fits * self._start_ns / max(self._seen_starts, 1)
        seconds = round((self._epochs * self._epoch_ns / self._seen_epochs + starts_ns) / NS_PER_S)
        return f"{seconds // 60}:{seconds % 60:02d}"


class PlainProgress:
    """One line per event, and some per fit, for logs."""

    def __init__(self) -> None:
        self._left = TimeLeft()
        self._total = self._ended = self._epochs = 0
        self._fit = ""

    def __call__(self, event: TrainingEvent) -> None:
        """Print what a reader of a log wants to know."""
        match event:
            case TrainingStarted(fits_left=fits, epochs_left=epochs):
                self._total = fits
                self._left.started(fits, epochs)
            case FitStarted(trial=trial, point=point, epochs=epochs):
                self._left.fit_started()
                self._fit, self._epochs = fit_words(trial, point), epochs
                self._print(f"[{self._ended + 1}/{self._total}] {self._fit} ...")
            case EpochEnded(row=row):
                self._left.epoch_ended(row)
                if self._total == 1 and self._worth_a_line(row):
                    self._print(f"epoch {row.epoch}/{self._epochs}: {epoch_words(row)}, {self._left} left")
            case FitEnded(metrics=metrics, failure=failure):
                self._ended += 1
                self._left.fit_ended(self._epochs - (metrics.epochs if metrics else 0))
                result = f"FAILED: {failure}" if failure or metrics is None else result_words(metrics)
                self._print(f"[{self._ended}/{self._total}, {self._left} left] {self._fit}: {result}")
            case Note(text=text):
                self._print(text)

    def _worth_a_line(self, row: Epoch) -> bool:
        return row.epoch % max(1, self._epochs // LINES_PER_FIT) == 0 or row.epoch in (1, self._epochs)

    @staticmethod
    def _print(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class RichProgress:
    """Bars for a terminal: the run, and the epochs of the fit."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._left = TimeLeft()
        self._run: TaskID | None = None
        self._fit: TaskID | None = None
        self._epochs = 0

    def __call__(self, event: TrainingEvent) -> None:
        """Move the bars."""
        match event:
            case TrainingStarted(fits_left=fits, epochs_left=epochs):
                self._left.started(fits, epochs)
                self._run = self._progress.add_task("fits", total=fits, last="", left="")
            case FitStarted(trial=trial, point=point, epochs=epochs):
                self._left.fit_started()
                self._epochs = epochs
                self._fit = self._progress.add_task(fit_words(trial, point), total=epochs, last="starting", left="")
            case Preparing(stage=stage) if self._fit is not None:
                self._progress.update(self._fit, last=stage)
            case EpochEnded(row=row) if self._fit is not None and self._run is not None:
                self._left.epoch_ended(row)
                self._progress.update(self._fit, completed=row.epoch, last=epoch_words(row))
                self._progress.update(self._run, left=f"{self._left} left")
            case FitEnded(trial=trial, point=point, metrics=metrics, failure=failure):
                self._end(fit_words(trial, point), metrics, failure)
            case Note(text=text):
                self._progress.console.print(text, highlight=False)

    def _end(self, fit: str, metrics: FitMetrics | None, failure: str | None) -> None:
        self._left.fit_ended(self._epochs - (metrics.epochs if metrics else 0))
        if self._fit is not None and self._run is not None:
            self._progress.remove_task(self._fit)
            self._progress.update(self._run, advance=1, left=f"{self._left} left")
        failed = f"failed: {failure}" if failure or metrics is None else ""
        self._progress.console.print(f"{fit}: {failed or (result_words(metrics) if metrics else '')}", markup=False)


@contextlib.contextmanager
def listening() -> Iterator[TrainingListener]:
    """A listener fit for where standard error goes."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield RichProgress(progress)
