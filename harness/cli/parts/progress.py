"""Live progress on standard error: bars where it is a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.run.events import (
    Note,
    Prepared,
    Preparing,
    RunStarted,
    TrialEnded,
    TrialProgress,
    TrialSkipped,
    TrialStarted,
    progress_events,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

    from harness.run.events import Event, Listener, TrialEvent

LINE_INTERVAL_NS = 10 * NS_PER_S  # in a log, between two lines of the same trial
LINES_PER_TRIAL = 10  # in a log, of a run that has one trial, whose steps are counted


def clock_text(seconds: float) -> str:
    """`1:05`: minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Reasons:
    """Why trials are INVALID, each reason in full the first time."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def new(self, why: str) -> str:
        """The reason, where it is the first of its kind; else nothing."""
        words, _, text = why.partition(": ")
        if words in self._shown:
            return ""
        self._shown.add(words)
        return f"  INVALID: {text}" if text else ""


class PlainProgress:
    """Prints lines for a log: one per trial, and some while a trial is running."""

    def __init__(self) -> None:
        self._trials: int | None = 0  # None: their number is not known
        self._ended = 0
        self._steps = 0
        self._started_ns = self._last_line_ns = monotonic_ns()
        self._stage = ""
        self._reasons = Reasons()

    def __call__(self, event: Event) -> None:
        """Print what a reader of a log wants to know."""
        match event:
            case Preparing(stage=stage) if stage != self._stage:
                self._stage = stage
                self._print(f"{stage} ...")
            case RunStarted(trials=trials):
                self._trials, self._started_ns = trials, monotonic_ns()
            case TrialStarted(name=name, steps=steps):
                self._steps, self._last_line_ns = steps, monotonic_ns()
                if steps:
                    of = "" if self._trials is None else f"/{self._trials}"
                    self._print(f"[{self._ended + 1}{of}] {name} ...")
            case TrialProgress(name=name, figures=figures, step=step, left_s=left_s) if self._is_due(step):
                self._last_line_ns = monotonic_ns()
                left = "" if left_s is None else f", {clock_text(left_s)} left"
                self._print(f"  {name}, {figures}{left}")
            case TrialEnded(name=name, result=result, failure=failure, trials=trials, left_s=left_s):
                self._ended += trials
                self._print(f"[{self._place(left_s)}] {name}: {f'FAILED: {failure}' if failure else result}")
                if reason := self._reasons.new(event.why):
                    self._print(reason)
            case TrialSkipped() if self._trials is not None:
                self._trials -= 1
            case Note(text=text):
                self._print(text)

    def _is_due(self, step: int) -> bool:
        if self._steps and self._trials == 1:
            return step % max(1, self._steps // LINES_PER_TRIAL) == 0 or step in (1, self._steps)
        return monotonic_ns() - self._last_line_ns >= LINE_INTERVAL_NS

    def _place(self, left_s: float | None) -> str:
        if self._trials is None:
            return str(self._ended) if left_s is None else f"{self._ended}, {clock_text(left_s)} left"
        if left_s is None:
            elapsed_s = (monotonic_ns() - self._started_ns) / NS_PER_S
            left_s = elapsed_s / self._ended * (self._trials - self._ended)
        return f"{self._ended}/{self._trials}, {clock_text(left_s)} left"

    @staticmethod
    def _print(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class RichProgress:
    """Draws bars for a terminal: one for the run, one for the steps of a trial or of a preparation."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._run: TaskID | None = None
        self._steps = 0  # of the trial that is running
        self._unit = ""
        self._detail: TaskID | None = None
        self._detail_name = ""
        self._reasons = Reasons()

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        match event:
            case Preparing(stage=stage, done=done, total=total):
                self._show_detail(stage, done, total)
            case Prepared():
                self._end_detail()
            case Note(text=text):
                self._progress.console.print(text, highlight=False)
            case RunStarted(trials=trials):
                if self._run is None:
                    self._run = self._progress.add_task("", total=trials, last="", left_s=None)
            case _ if self._run is not None:
                self._on_trial(self._run, event)

    def _on_trial(self, run: TaskID, event: TrialEvent) -> None:
        match event:
            case TrialStarted(name=name, steps=steps, unit=unit):
                self._progress.update(run, description=name)
                self._steps, self._unit = steps, unit
            case TrialProgress(figures=figures, step=step, left_s=left_s):
                self._progress.update(run, last=figures, left_s=left_s)
                if self._steps:
                    self._show_detail(self._unit, step, self._steps)
            case TrialEnded():
                self._end(run, event)
            case TrialSkipped():
                self._progress.update(run, advance=1)

    def _end(self, run: TaskID, event: TrialEnded) -> None:
        from rich.text import Text

        self._end_detail()
        result = f"failed: {event.failure}" if event.failure else event.result
        self._progress.update(run, advance=event.trials, last=result, left_s=event.left_s)
        self._progress.console.print(Text(f"{event.name}: {result}", style="red" if event.failure else ""))
        if reason := self._reasons.new(event.why):
            self._progress.console.print(Text(reason))

    def _show_detail(self, name: str, done: int, total: int) -> None:
        if name != self._detail_name:
            self._end_detail()
            self._detail_name = name
            self._detail = self._progress.add_task(name, total=total or None, last="", left_s=None)
        if self._detail is not None and total:
            self._progress.update(self._detail, completed=done, total=total)

    def _end_detail(self) -> None:
        if self._detail is not None:
            self._progress.remove_task(self._detail)
            self._detail, self._detail_name = None, ""


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """A listener fit for where standard error goes."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class TimeLeftColumn(TimeRemainingColumn):
        """The run's own estimate where it makes one, otherwise Rich's, from the speed of the bar."""

        def render(self, task: Task) -> Text:
            left_s = task.fields["left_s"]
            return super().render(task) if left_s is None else Text(clock_text(left_s), style="progress.remaining")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeLeftColumn(),
        TextColumn("{task.fields[last]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as progress:
        yield RichProgress(progress)


@contextlib.contextmanager
def preparing() -> Iterator[Callable[[str, int, int], None]]:
    """A listener as the plain function `(stage, done, total)` that targets call."""
    with listening() as listener:
        yield progress_events(listener)
