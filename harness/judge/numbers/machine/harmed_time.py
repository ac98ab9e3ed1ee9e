"""Which stretches of a trial were harmed by others, and which are left to be judged.

A stretch is the time between two readings of the samplers, some 100 ms. Whether it is harmed follows from what others
did in it, never from response times or from how busy the target was: other processes ran on the cores of target and
load, the hypervisor took cores away, the samplers could not run, or the load's event loop was held up. How long threads
of target and load waited for a core says only for a trial as a whole whether other processes did harm: in a single
stretch it would also say how busy the target was, and a target whose busy stretches are left out looks faster.

What others take counts against what is timed: 7 ms in a second hold a response of 20 ms up by a third and one of a
second by nothing. So where responses take longer than a stretch, it is averaged over as long a time.

A harmed stretch leaves a backlog behind. What follows it is left out until every request that was open at its end has
ended and, in an open loop, no more requests are open than on average outside harmed stretches. A request that is due
shortly before a harmed stretch may run into it; leaving out only those that do would favour short response times.
Therefore all that are due within `guard_ns` before it are left out: 99.9 % of the response times are shorter than
that, so which requests remain does not depend on how long they took.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.numbers.machine.backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.judge.numbers.machine.backlog import Requests

    Instants = NDArray[np.int64]
    Mask = NDArray[np.bool_]

FOREIGN_CORES = 0.05  # 5 ms of 100 ms, counted in nanoseconds
FOREIGN_CORES_BY_TICKS = 0.25  # of CPU time that is counted in ticks of 10 ms, three times its noise
WAITED_CORES = 0.02  # by so much longer threads wait while others run; less is the scheduler's own jitter
STOLEN_CORES = 0.1  # more than one tick of 10 ms in 100 ms, which small steal adds up to now and then
GUARD_QUANTILE = 0.999
GUARD_SAMPLES = 1000
FEWEST_SECONDS = 0.5
FEWEST_SHARE = 0.2
_NS_PER_S = 1e9


class Culprit(StrEnum):
    """Who harmed a stretch."""

    PROCESSES = "processes"
    HYPERVISOR = "hypervisor"
    STANDSTILL = "standstill"
    GENERATOR = "generator"


@dataclass(frozen=True, slots=True)
class Stretches:
    """What happened in the n stretches between `edges_ns` (n + 1,), in cores (seconds per second); NaN: not known.

    foreign: CPU time of others on the cores of target and load, counted `exactly` or in ticks. waited: time in which
    threads of target or load were ready to run and had no core. stolen: time that the hypervisor took away.
    silent: the samplers did not run when they were due. late: the load's event loop was held up.
    """

    edges_ns: Instants
    foreign_cores: NDArray[np.float64]
    waited_cores: NDArray[np.float64]
    stolen_cores: NDArray[np.float64]
    silent: Mask
    late: Mask
    exactly: bool = True

    def harmed(self) -> dict[Culprit, Mask]:
        """Which stretches were harmed, by whom."""
        return {
            Culprit.PROCESSES: self._crowded(),
            Culprit.HYPERVISOR: self.stolen_cores > STOLEN_CORES,  # false where it is NaN
            Culprit.STANDSTILL: self.silent,
            Culprit.GENERATOR: self.late,
        }

    def averaged(self, timed_ns: int) -> Stretches:
        """With what others took, and the hypervisor, averaged over `timed_ns` around each stretch; 0: over itself."""
        usual_ns = float(np.median(np.diff(self.edges_ns)))
        width = round(timed_ns / max(usual_ns, 1.0))
        if width < 2:
            return self
        return replace(
            self,
            foreign_cores=_moving_mean(self.foreign_cores, width),
            stolen_cores=_moving_mean(self.stolen_cores, width),
        )

    @property
    def watched(self) -> bool:
        """Whether it is known what others ran."""
        return bool(np.isfinite(self.foreign_cores).any())

    def hindered_share(self, start_ns: int, end_ns: int) -> float:
        """The share of a span in which threads of the target or the load could not run though they were ready to."""
        lengths = np.clip(self.edges_ns[1:], start_ns, end_ns) - np.clip(self.edges_ns[:-1], start_ns, end_ns)
        waited = np.where(np.isnan(self.waited_cores), self.harmed()[Culprit.PROCESSES], self.waited_cores)
        hindered = np.clip(waited + np.nan_to_num(self.stolen_cores), 0, 1)
        hindered[self.silent | self.late] = 1
        return float((lengths * hindered).sum()) / max(1, end_ns - start_ns)

    def _crowded(self) -> Mask:
        """Where others ran, if threads waited longer there than elsewhere or nobody counted how long they waited."""
        shared: Mask = self.foreign_cores > (FOREIGN_CORES if self.exactly else FOREIGN_CORES_BY_TICKS)
        known = ~np.isnan(self.waited_cores)
        beside, alone = self.waited_cores[shared & known], self.waited_cores[~shared & known]
        usual = float(alone.mean()) if alone.size else 0.0
        harmless = beside.size and float(beside.mean()) - usual <= WAITED_CORES
        return np.zeros_like(shared) if harmless else shared


@dataclass(frozen=True)
class UsableTime:
    """What is left of a window: pieces [start, end), ascending and apart, each some whole stretches.

    Attributes:
        harmed_share: share of the window that was harmed, without what follows from it.
        culprits: share of the window that each harmed; several may have harmed one stretch.
        stretches: what it follows from.
        guard_ns: no request that is due within it before the end of a piece counts; 0 where nothing was harmed.
        worked_off: by how many more requests ended than came, in all pieces of an open loop together: a backlog's
            rest, which is not what the target sustains. 0 where nothing was harmed.
    """

    window_ns: tuple[int, int]
    starts_ns: Instants
    ends_ns: Instants
    guard_ns: int
    harmed_share: float
    culprits: dict[Culprit, float]
    stretches: Stretches
    worked_off: int = 0

    @cached_property
    def due_ends_ns(self) -> Instants:
        """Where the requests end that count by when they were due; the window's own end needs no guard."""
        guarded = np.where(self.ends_ns == self.window_ns[1], self.ends_ns, self.ends_ns - self.guard_ns)
        return np.maximum(guarded, self.starts_ns)

    @property
    def seconds(self) -> float:
        """The length of all pieces."""
        return float((self.ends_ns - self.starts_ns).sum()) / _NS_PER_S

    @property
    def usable_share(self) -> float:
        """The share of the window whose response times count."""
        return float((self.due_ends_ns - self.starts_ns).sum()) / max(1, self.window_ns[1] - self.window_ns[0])

    @property
    def enough(self) -> bool:
        """Whether so much is left that it can stand for the trial."""
        seconds = self.usable_share * (self.window_ns[1] - self.window_ns[0]) / _NS_PER_S
        return self.harmed_share == 0 or (self.usable_share >= FEWEST_SHARE and seconds >= FEWEST_SECONDS)

    def holds(self, instants_ns: Instants) -> Mask:
        """Which instants lie in a piece: what happened then counts for rates."""
        return _inside(instants_ns, self.starts_ns, self.ends_ns)

    def holds_due(self, due_ns: Instants) -> Mask:
        """Which requests, by when they were due, count for response times."""
        return _inside(due_ns, self.starts_ns, self.due_ends_ns)

    def joined_ns(self, instants_ns: Instants) -> Instants:
        """Instants of pieces (n,) on a time line from 0 to `seconds` on which the pieces follow each other."""
        lengths = self.ends_ns - self.starts_ns
        before = np.cumsum(lengths) - lengths
        piece = np.searchsorted(self.starts_ns, instants_ns, side="right") - 1
        joined: Instants = before[piece] + instants_ns - self.starts_ns[piece]
        return joined


def unharmed_time(
    window_ns: tuple[int, int], stretches: Stretches, requests: Requests, timed_ns: int = 0
) -> UsableTime:
    """What is left of the window without harmed stretches, their backlog, and the requests that ran into them.

    Args:
        window_ns: start and end of what is measured.
        stretches: may reach beyond the window, since harm before it leaves a backlog in it.
        requests: all that were sent; only those open at the end of a harmed stretch matter, and how many were open.
        timed_ns: how long the shortest takes, usually, of what is timed.
    """
    by_culprit = stretches.averaged(timed_ns).harmed()
    harmed = np.logical_or.reduce(list(by_culprit.values()))
    edges_ns = stretches.edges_ns
    shares = {culprit: _share(edges_ns, mask, window_ns) for culprit, mask in by_culprit.items()}
    untouched = UsableTime(
        window_ns=window_ns,
        starts_ns=np.array([window_ns[0]], dtype=np.int64),
        ends_ns=np.array([window_ns[1]], dtype=np.int64),
        guard_ns=0,
        harmed_share=_share(edges_ns, harmed, window_ns),
        culprits={culprit: share for culprit, share in shares.items() if share > 0},
        stretches=stretches,
    )
    if not harmed.any() or not requests.due_ns.size:
        return untouched
    backlog = Backlog(requests)
    drained = _without(untouched, edges_ns, harmed, backlog.drained_ns)
    if requests.open_loop and drained.starts_ns.size:
        usual = backlog.usually_open(drained.starts_ns, drained.ends_ns)
        drained = _without(untouched, edges_ns, harmed, lambda end_ns: backlog.usual_ns(end_ns, usual))
        fewer = backlog.open_at(drained.starts_ns).sum() - backlog.open_at(drained.ends_ns).sum()
        drained = replace(drained, worked_off=max(0, int(fewer)))
    return _guarded(drained, requests)


def _without(whole: UsableTime, edges_ns: Instants, harmed: Mask, recovered_ns: Callable[[int], int]) -> UsableTime:
    """The pieces between harmed stretches, each from the first edge at which the work has recovered.

    Pieces begin at edges, not when the last request ends: to begin with the end of a request is to choose by it.
    """
    start_ns, end_ns = whole.window_ns
    starts, ends = [], []
    usable_from_ns = start_ns
    for first_ns, last_ns in [*_runs(edges_ns, harmed), (end_ns, end_ns)]:
        if min(first_ns, end_ns) > usable_from_ns:
            starts.append(usable_from_ns)
            ends.append(min(first_ns, end_ns))
        edge = int(np.searchsorted(edges_ns, recovered_ns(last_ns)))
        recovered_at_ns = int(edges_ns[edge]) if edge < edges_ns.size else end_ns
        usable_from_ns = max(usable_from_ns, recovered_at_ns)
    return replace(whole, starts_ns=np.array(starts, dtype=np.int64), ends_ns=np.array(ends, dtype=np.int64))


def _guarded(usable: UsableTime, requests: Requests) -> UsableTime:
    """With `guard_ns` set to the p99.9 of the response times; found again without the requests that it leaves out."""
    response_ns = requests.done_ns - requests.due_ns
    for _ in range(2):  # first of all that were due in pieces, then of those that are left
        counted = response_ns[usable.holds_due(requests.due_ns)]
        if counted.size < (GUARD_SAMPLES if usable.guard_ns else 1):
            break
        usable = replace(usable, guard_ns=int(np.quantile(counted, GUARD_QUANTILE, method="higher")))
    return usable


def _moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The mean of the `width` values around each; of fewer at both ends, and without those that are NaN."""
    known, ones = np.isfinite(values), np.ones(min(width, values.size))
    sums = np.convolve(np.where(known, values, 0.0), ones, mode="same")
    counts = np.convolve(known.astype(np.float64), ones, mode="same")
    means: NDArray[np.float64] = np.where(counts > 0.5, sums / np.maximum(counts, 1.0), np.nan)
    return means


def _runs(edges_ns: Instants, mask: Mask) -> list[tuple[int, int]]:
    """Start and end of every run of marked stretches."""
    turns = np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))
    starts, ends = edges_ns[np.flatnonzero(turns == 1)], edges_ns[np.flatnonzero(turns == -1)]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _share(edges_ns: Instants, mask: Mask, window_ns: tuple[int, int]) -> float:
    """The share of the window that lies in marked stretches."""
    start_ns, end_ns = window_ns
    lengths = np.clip(edges_ns[1:], start_ns, end_ns) - np.clip(edges_ns[:-1], start_ns, end_ns)
    return float(lengths[mask].sum()) / max(1, end_ns - start_ns)


def _inside(instants_ns: Instants, starts_ns: Instants, ends_ns: Instants) -> Mask:
    piece = np.searchsorted(starts_ns, instants_ns, side="right") - 1
    inside: Mask = (piece >= 0) & (instants_ns < np.append(ends_ns, 0)[piece])  # piece -1, before all, reads the 0
    return inside
