"""The course of each figure over the runs, and where its level changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.gate.baseline import FAILED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from harness.judge.history.history_file import HistoryEntry

    Floats = NDArray[np.float64]

FEWEST_RUNS = 4  # on one machine, for a change of level to be looked for
SMALLEST_CHANGE = 0.05
SHORTEST = 2  # runs between two changes
CHANCE = 0.02  # of noise alone, one series in fifty has a change
PRIOR_FREEDOM = 2.0  # runs that the stated intervals are worth beside the scatter of the runs themselves
USUAL_SCATTER = 0.05  # of the logarithm, where no interval is known
LEAST_SCATTER = 0.005  # runs that agree better do so by chance
SIMULATED = 4000


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
    """The changes of level on one machine, of logarithms."""
    if len(series) < FEWEST_RUNS or series[0].figure == FAILED or min(entry.value for entry in series) <= 0:
        return
    values = np.log([entry.value for entry in series])
    places = _large_enough(values, _split(values, _expected_error(series)))
    for one, middle, other in zip([0, *places], places, [*places[1:], len(series)], strict=False):
        yield LevelChange(start + middle - 1, math.exp(values[middle:other].mean() - values[one:middle].mean()))


def _split(values: Floats, error: float) -> list[int]:
    """Where the level changes, ascending: the best split of a stretch where it is no chance, then those of both parts.

    (Binary segmentation: Scott and Knott, 1974.) The statistic is Student's t of the two parts, by the variance of the
    values within them; or by that together with what the runs' intervals state, since few runs know their variance
    badly. Intervals that are too wide then hide nothing.
    """
    if values.size < FEWEST_RUNS:
        return []
    import ruptures

    place = int(ruptures.Binseg(model="l2", min_size=SHORTEST, jump=1).fit(values.reshape(-1, 1)).predict(n_bkps=1)[0])
    one, other = values[:place], values[place:]
    within = float(((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum())
    difference = abs(other.mean() - one.mean()) / math.sqrt(1 / one.size + 1 / other.size)
    for prior in (0.0, PRIOR_FREEDOM):
        freedom = values.size - 2 + prior
        if difference > _greatest_by_chance(values.size, prior) * math.sqrt((within + prior * error**2) / freedom):
            return [*_split(one, error), place, *(place + each for each in _split(other, error))]
    return []


@cache
def _greatest_by_chance(count: int, prior: float) -> float:
    """The statistic that one series in fifty of `count` runs without a change reaches, by simulation."""
    values = np.random.default_rng(count).standard_normal((SIMULATED, count))
    values -= values.mean(axis=1, keepdims=True)
    before = np.arange(SHORTEST, count - SHORTEST + 1)
    between = np.cumsum(values, axis=1)[:, before - 1] ** 2 * (1.0 / before + 1.0 / (count - before))
    greatest = between.max(axis=1)
    within = (values**2).sum(axis=1) - greatest
    return float(np.quantile(np.sqrt(greatest * (count - 2 + prior) / (within + prior)), 1 - CHANCE))


def _expected_error(series: Sequence[HistoryEntry]) -> float:
    """The standard error of the logarithm of a run's figure, by the runs' intervals; at least `LEAST_SCATTER`."""
    known = [math.log(each.high / each.low) / 4 for each in series if each.low and each.high and each.low > 0]
    return max(float(np.median(known)), LEAST_SCATTER) if known else USUAL_SCATTER


def _large_enough(values: Floats, places: list[int]) -> list[int]:
    """Without the smallest changes, one after the other, until each is at least `SMALLEST_CHANGE`."""
    while places:
        means = [values[one:other].mean() for one, other in pairwise([0, *places, values.size])]
        sizes = np.abs(np.diff(means))
        if sizes.min() >= math.log1p(SMALLEST_CHANGE):
            break
        places = [place for number, place in enumerate(places) if number != sizes.argmin()]
    return places
