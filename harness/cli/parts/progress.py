"""Live progress: rich on a terminal, plain lines elsewhere. All of it goes to standard error."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.plan.arrivals import Closed
from harness.plan.knobs import format_value
from harness.run.events import (
    Note,
    Prepared,
    Preparing,
    RunStarted,
    StepEnded,
    StepsStarted,
    StepStarted,
    TrialEnded,
    TrialGoes,
    TrialSpared,
    TrialStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

    from harness.judge.metrics import TrialMetrics
    from harness.plan.plan import Point
    from harness.record.live import Live
    from harness.run.events import Event, Listener, StepEvent, TrialEvent

TELL_NS = 10 * NS_PER_S  # in a log: one line in so long a time of a trial that goes on


def point_words(point: Point) -> str:
    """`batch_size=4, 32 users`, for a line of progress."""
    words = [f"{name}={format_value(value)}" for name, value in point.setting.items()]
    if isinstance(point.arrivals, Closed):
        words.append(f"{point.arrivals.users} user{'s' if point.arrivals.users > 1 else ''}")
    else:
        rate = getattr(point.arrivals, "rate_rps", None)
        words.append(f"{type(point.arrivals).__name__.lower()}{f' {rate:g}/s' if rate else ''}")
    return ", ".join(words)


def result_words(metrics: TrialMetrics) -> str:
    """`9 104 req/s, p99 21.3 ms`, with the verdict where it is not VALID."""
    p99 = metrics.response.at(0.99)
    tail = f"p99 {p99.value_ms:.3g} ms" if p99 and p99.value_ms is not None else "p99 not supported by the sample"
    verdict = "" if metrics.verdict == "VALID" else f", {metrics.verdict}"
    rate = f"{metrics.throughput_rps.value:,.0f}".replace(",", "\u2009")
    return f"{rate} req/s, {tail}{verdict}"


def live_words(live: Live) -> str:
    """`480 req/s, p50 5.1 ms, p99 9.3 ms, 3 failed`: so far."""
    words = [f"{live.rate_rps:,.0f} req/s".replace(",", "\u2009")]
    words += [f"{name} {value:.3g} ms" for name, value in (("p50", live.p50_ms), ("p99", live.p99_ms)) if value]
    return ", ".join([*words, *([f"{live.failed} failed"] if live.failed else [])])


class PlainProgress:
    """One line per event, for logs."""

    def __init__(self) -> None:
        self._total: int | None = 0  # None: nobody knows
        self._ended = 0
        self._started_ns = self._told_ns = monotonic_ns()
        self._stage = ""

    def __call__(self, event: Event) -> None:
        """Print what a reader of a log wants to know."""
        match event:
            case Preparing(stage=stage) if stage != self._stage:
                self._stage = stage
                self._print(f"{stage} ...")
            case RunStarted(plan=plan, trials_left=left):
                self._start(None if plan.capacity else left)
            case StepsStarted(total=total):
                self._start(total)
            case TrialStarted():
                self._told_ns = monotonic_ns()
            case TrialGoes(point=point, live=live) if monotonic_ns() - self._told_ns >= TELL_NS:
                self._told_ns = monotonic_ns()
                self._print(f"  {point_words(point)}, after {live.seconds:.0f} s: {live_words(live)}")
            case TrialEnded(point=point, metrics=metrics, failure=failure):
                self._ended += 1
                result = f"FAILED: {failure}" if failure or metrics is None else result_words(metrics)
                self._print(f"[{self._place()}] {point_words(point)}: {result}")
            case TrialSpared() if self._total is not None:
                self._total -= 1
            case StepEnded(name=name, outcome=outcome, steps=steps):
                self._ended += steps
                self._print(f"[{self._place()}] {name}: {outcome}")
            case Note(text=text):
                self._print(text)

    def _start(self, total: int | None) -> None:
        self._total = total
        self._started_ns = monotonic_ns()

    def _place(self) -> str:
        if self._total is None:
            return str(self._ended)
        elapsed_s = (monotonic_ns() - self._started_ns) / NS_PER_S
        seconds = round(elapsed_s / self._ended * (self._total - self._ended))
        return f"{self._ended}/{self._total}, {seconds // 60}:{seconds % 60:02d} left"

    @staticmethod
    def _print(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class RichProgress:
    """Bars for a terminal: the run, and what is being prepared."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._run: TaskID | None = None
        self._stage: TaskID | None = None
        self._stage_name = ""

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        match event:
            case Preparing(stage=stage, done=done, total=total):
                self._prepare(stage, done, total)
            case Prepared():
                self._end_stage()
            case Note(text=text):
                self._progress.console.print(text, highlight=False)
            case _:
                self._on_run(event)

    def _on_run(self, event: TrialEvent | StepEvent) -> None:
        match event:
            case RunStarted(plan=plan, trials_left=left) if self._run is None:
                self._run = self._progress.add_task("", total=None if plan.capacity else left, last="")
            case StepsStarted(total=total):
                self._run = self._progress.add_task("", total=total, last="")
            case TrialStarted(point=point):
                self._begin(point_words(point))
            case TrialGoes(live=live) if self._run is not None:
                self._progress.update(self._run, last=live_words(live))
            case TrialEnded(point=point, metrics=metrics, failure=failure):
                result = f"[red]failed: {failure}" if failure or metrics is None else result_words(metrics)
                self._end(point_words(point), result)
            case TrialSpared():
                self._advance(1)
            case StepStarted(name=name):
                self._begin(name)
            case StepEnded(name=name, outcome=outcome, steps=steps):
                self._end(name, outcome, steps)

    def _begin(self, words: str) -> None:
        if self._run is not None:
            self._progress.update(self._run, description=words)

    def _end(self, words: str, result: str, steps: int = 1) -> None:
        self._advance(steps)
        if self._run is not None:
            self._progress.update(self._run, last=result)
        self._progress.console.print(f"{words}: {result}", highlight=False)

    def _advance(self, steps: int) -> None:
        if self._run is not None:
            self._progress.update(self._run, advance=steps)

    def _prepare(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage_name:
            self._end_stage()
            self._stage_name = stage
            self._stage = self._progress.add_task(stage, total=total or None, last="")
        if self._stage is not None and total:
            self._progress.update(self._stage, completed=done, total=total)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._progress.remove_task(self._stage)
            self._stage, self._stage_name = None, ""


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """A listener fit for where standard error goes."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield RichProgress(progress)


@contextlib.contextmanager
def preparing() -> Iterator[Callable[[str, int, int], None]]:
    """A listener as the plain function `(stage, done, total)` that targets call."""
    with listening() as listener:
        yield lambda stage, done, total: listener(Preparing(stage, done, total))
