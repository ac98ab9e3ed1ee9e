"""What the live page shows: the events of the run, and the figures that its load process has recorded so far."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from harness.clock import monotonic_ns
from harness.errors import RunError
from harness.record.load_report import live_of, ran_elsewhere
from harness.record.run_dir import TrialDir
from harness.run.events import Note, Preparing, RunStarted, TrialEnded, TrialProgress, TrialSkipped, TrialStarted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from harness.run.events import Event

MOST_LINES = 200
CPU_NS = 2_000_000_000  # over which the use of cores is averaged
PAUSE_FACTOR = 150  # after reading the samples, which grow: so many times what that took, under 1 % of a core


class LiveTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that has ended: a dot of the curve. None where nothing was timed."""

    name: str
    rate_rps: float | None
    p99_ms: float | None
    text: str


class LiveFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The running trial."""

    seconds: float
    rate_rps: float
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    cpu_cores: dict[str, float]  # of target and load


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows at one moment."""

    name: str
    left_s: float | None
    done: int
    total: int | None
    running: LiveFigures | None
    trials: tuple[LiveTrial, ...]
    lines: tuple[str, ...]
    ended: bool
    interrupted: bool = False


class RunWatch:
    """A listener that remembers what the page needs; the rows stay where they are recorded."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._began_ns = monotonic_ns()
        self._name = ""
        self._left_s: float | None = None
        self._done = 0
        self._total: int | None = None
        self._trials: list[LiveTrial] = []
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._cpu_cores: dict[str, float] = {}
        self._cpu_due_ns = 0
        self.ended = False
        self.interrupted = False

    def __call__(self, event: Event) -> None:
        """Take note of what the page shows."""
        match event:
            case RunStarted(trials=trials):
                self._total = trials
            case Preparing(stage=stage):
                self._name = stage
            case TrialStarted(name=name):
                self._name, self._cpu_cores, self._cpu_due_ns = name, {}, 0
            case TrialProgress(name=name, left_s=left_s):
                self._name, self._left_s = name, left_s
            case TrialSkipped() if self._total is not None:
                self._total -= 1
            case TrialEnded(name=name, result=result, failure=failure, left_s=left_s):
                self._done, self._left_s = self._done + event.trials, left_s
                text = ". ".join((failure or result, *event.doubts))
                self._trials.append(LiveTrial(name=name, rate_rps=event.rate_rps, p99_ms=event.p99_ms, text=text))
                self._lines.append(f"{name}: {text}")
            case Note(text=text):
                self._lines.append(text)

    def state(self) -> LiveState:
        """What is to be shown now."""
        return LiveState(
            name=self._name,
            left_s=self._left_s,
            done=self._done,
            total=self._total,
            running=None if self.ended else self._running(),
            trials=tuple(self._trials),
            lines=tuple(self._lines),
            ended=self.ended,
            interrupted=self.interrupted,
        )

    def _running(self) -> LiveFigures | None:
        folders = [path for path in self._run_dir.glob("trials/*") if not (path / "trial.json").exists()]
        if not folders:
            return None
        folder = TrialDir(max(folders, key=lambda path: path.stat().st_mtime_ns))
        reports = [each for each in folder.reports() if each.start_ns >= self._began_ns]  # no trial that was killed
        live = live_of(reports, monotonic_ns())
        if live is None:
            return None
        return LiveFigures(
            seconds=live.seconds,
            rate_rps=live.rate_rps,
            failed=live.failed,
            p50_ms=live.p50_ms,
            p99_ms=live.p99_ms,
            cpu_cores=self._cpu(folder, ("target",) if ran_elsewhere(reports) else ("target", "load")),
        )

    def _cpu(self, folder: TrialDir, sources: Sequence[str]) -> dict[str, float]:
        """Cores in use; as they were, where the samples were read not long ago."""
        began_ns = monotonic_ns()
        if began_ns >= self._cpu_due_ns:
            self._cpu_cores = _cpu_cores(folder, sources)
            ended_ns = monotonic_ns()
            self._cpu_due_ns = ended_ns + PAUSE_FACTOR * (ended_ns - began_ns)
        return self._cpu_cores


def _cpu_cores(folder: TrialDir, sources: Sequence[str]) -> dict[str, float]:
    """Cores that each of `sources` has used over the last two seconds, by the samples on disk."""
    from harness.record.samples import read_samples

    try:
        samples = read_samples(folder.samples)
    except (OSError, RunError):
        return {}
    found = {source: _slope(samples, source) for source in sources}
    return {source: cores for source, cores in found.items() if cores is not None}


def _slope(samples: pa.Table, source: str) -> float | None:
    import pyarrow.compute as pc

    chosen = samples.filter(pc.and_(pc.equal(samples["source"], source), pc.equal(samples["metric"], "cpu_s")))
    chosen = chosen.filter(pc.is_valid(chosen["value"]))
    if chosen.num_rows < 2:
        return None
    times, values = chosen["t_ns"].to_numpy(), chosen["value"].to_numpy()
    first = min(int((times < times[-1] - CPU_NS).sum()), times.size - 2)
    return float((values[-1] - values[first]) / (times[-1] - times[first]) * 1e9)
