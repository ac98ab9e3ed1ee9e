"""The course of each figure over the runs, and where its level changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.gate.baseline import FAILED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judge.history.history_file import HistoryEntry

FEWEST_RUNS = 4  # on one machine, for a change of level to be looked for
SMALLEST_CHANGE = 0.05
PENALTY = 5.0  # of a change point, times the variance and log n: on noise alone one series in fifty has one
LEAST_SCATTER = 0.005  # of the logarithm: runs that agree better do so by chance


@dataclass(frozen=True, slots=True)
class LevelChange:
    """Between the runs `before` and `before + 1` of a trend the level changed by `ratio`."""

    before: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure of one point over the runs, in the order of time."""

    label: str
    figure: str
    entries: tuple[HistoryEntry, ...]
    changes: tuple[LevelChange, ...]
    machines: tuple[int, ...]  # the first run on each further machine


def trends(entries: Iterable[HistoryEntry]) -> Iterator[Trend]:
    """A trend of each figure that at least two runs have; `entries` are in the order of `read_history`."""
    for _, group in groupby(entries, key=lambda entry: (entry.point, entry.figure)):
        series = tuple(group)
        if len(series) < 2:
            continue
        breaks = [place + 1 for place, (one, other) in enumerate(pairwise(series)) if one.machine != other.machine]
        ends = [0, *breaks, len(series)]
        changes = [change for start, end in pairwise(ends) for change in _changes(series[start:end], start)]
        yield Trend(series[-1].label, series[-1].figure, series, tuple(changes), tuple(breaks))


def _changes(series: Sequence[HistoryEntry], start: int) -> Iterator[LevelChange]:
    """The changes of level on one machine (PELT: Killick, Fearnhead and Eckley, 2012), of logarithms."""
    if len(series) < FEWEST_RUNS or series[0].figure == FAILED or min(entry.value for entry in series) <= 0:
        return
    import ruptures

    values = np.log([entry.value for entry in series])
    # The median difference of neighbours: a few changes of level do not raise it.
    scatter = max(float(np.median(np.abs(np.diff(values)))) / (0.6745 * math.sqrt(2)), LEAST_SCATTER)
    penalty = PENALTY * scatter**2 * math.log(len(series))
    found = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(values.reshape(-1, 1)).predict(pen=penalty)
    for one, middle, other in zip([0, *found], found, found[1:], strict=False):
        ratio = math.exp(values[middle:other].mean() - values[one:middle].mean())
        if abs(math.log(ratio)) >= math.log1p(SMALLEST_CHANGE):
            yield LevelChange(start + middle - 1, ratio)
