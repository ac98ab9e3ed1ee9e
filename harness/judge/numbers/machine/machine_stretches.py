"""What others did to the machine while a trial ran, stretch by stretch, from its samples; and who they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.judge.numbers.machine.harmed_time import Stretches
from harness.judge.numbers.sample_series import NO_READINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from harness.judge.numbers.sample_series import SampleSeries, Series

SILENT_GAPS = 2.5  # the usual time between two ticks of the samplers; one that is missing is no silence
STRANGER_CORES = 0.02  # who used less is not named


def machine_stretches(
    samples: SampleSeries,
    stalls_ns: Iterable[tuple[int, int]] = (),
    *,
    in_process: bool = False,
    elsewhere: bool = False,
) -> Stretches | None:
    """The stretches between the samplers' readings; None where there are fewer than two.

    What others ran is what ran on the cores of target and load less these two and the samplers. It is not known of a
    target that the samplers do not see, a server by URL, since that may be what runs there.

    Args:
        samples: of one trial.
        stalls_ns: start and end of each time in which the load's event loop was held up for more than 20 ms.
        in_process: the target lives in the load process.
        elsewhere: target and load run on other machines: what happens to this one harms neither.
    """
    ticks = samples.series("sampler", "cpu_s")
    counted = samples.series("cores", "ran_s")
    exactly = counted.values.size > 1
    edges_ns = (counted if exactly else ticks).t_ns
    if edges_ns.size < 2:
        return None
    sources = ("load",) if in_process else ("target", "load")
    ran = [samples.series(source, "ran_s").rates_between(edges_ns) for source in (*sources, "sampler")]
    everything = counted.rates_between(edges_ns) if exactly else _busy_cores(samples, edges_ns)
    waited = [samples.series(source, "waited_s").rates_between(edges_ns) for source in sources]
    return Stretches(
        edges_ns=edges_ns,
        foreign_cores=everything - np.sum(ran, axis=0),
        waited_cores=np.sum(waited, axis=0),
        stolen_cores=(NO_READINGS if elsewhere else samples.series("machine", "steal_s")).rates_between(edges_ns),
        silent=_touched(edges_ns, [] if elsewhere else _silences(ticks)),
        late=_touched(edges_ns, [] if in_process else stalls_ns),
        exactly=exactly,
    )


class Stranger(NamedTuple):
    """A program that was no part of the run, and what it used in cores over the window."""

    name: str
    pid: int
    group: str
    cores: float

    def __str__(self) -> str:
        """As it stands in a sentence: python3 (pid 123 in backup.service)."""
        return f"{self.name} (pid {self.pid}{f' in {self.group}' if self.group else ''})"


def strangers(samples: SampleSeries, window_ns: tuple[int, int]) -> list[Stranger]:
    """Who ran within the window, the busiest first; those are missing that live for less than a second."""
    start_ns, end_ns = window_ns
    found: dict[str, Stranger] = {}
    for source in samples.sources("process:"):
        _, name, pid, group = source.split(":", 3)
        series = samples.series(source, "cpu_s")
        before = series.values[series.t_ns < start_ns]
        until = series.values[series.t_ns < end_ns]
        used_s = float(until[-1] - (before[-1] if before.size else 0.0)) if until.size else 0.0
        cores = used_s / ((end_ns - start_ns) / 1e9)
        if cores >= STRANGER_CORES and (name not in found or cores > found[name].cores):
            found[name] = Stranger(name, int(pid), group, cores)
    return sorted(found.values(), key=lambda stranger: -stranger.cores)


def _busy_cores(samples: SampleSeries, edges_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Busy time of all cores, in cores; by readings of which each tells of the time since the last."""
    cores = [samples.series(core, "cpu_percent") for core in samples.numbered("cpu")]
    if not cores or any(core.t_ns.size < 2 for core in cores):
        return np.full(edges_ns.size - 1, np.nan)
    middles_ns = (edges_ns[:-1] + edges_ns[1:]) // 2
    busy: NDArray[np.float64] = np.sum([_of_reading_after(core, middles_ns) for core in cores], axis=0) / 100
    return busy


def _of_reading_after(series: Series, instants_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    after = np.searchsorted(series.t_ns, instants_ns)
    return np.where(after < series.t_ns.size, np.append(series.values, np.nan)[after], np.nan)


def _silences(ticks: Series) -> list[tuple[int, int]]:
    gaps_ns = np.diff(ticks.t_ns)
    if not gaps_ns.size:
        return []
    long = np.flatnonzero(gaps_ns > SILENT_GAPS * np.median(gaps_ns))
    return [(int(ticks.t_ns[index]), int(ticks.t_ns[index + 1])) for index in long]


def _touched(edges_ns: NDArray[np.int64], spans_ns: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which stretches have something in common with one of the spans."""
    touched = np.zeros(edges_ns.size - 1, dtype=bool)
    for start_ns, end_ns in spans_ns:
        touched |= (edges_ns[1:] > start_ns) & (edges_ns[:-1] < end_ns)
    return touched
