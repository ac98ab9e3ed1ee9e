"""The rate at which the share of slow responses reaches what is allowed, estimated from trials at several rates.

Near that rate the log odds of a slow response are taken as linear in the logarithm of the rate, as the log odds of a
response are in the logarithm of a dose (Finney, *Probit Analysis*, 1971). No trial has to decide by itself whether its
rate keeps the limit: what each of them says of the curve is put together, and a trial that cannot be decided is none
that missed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.stats.distributions import normal_quantile, student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Rates so near the border are used, on a log scale; farther away the curve need not be a line.
NARROWEST, WIDEST = 0.1, 0.33
REACH = 3.0  # in units of 1 / steepness
PASSES = 3
FEWEST = 6  # trials within the window: with fewer, those that lie nearest are used
LEAST_STEEP, MOST_STEEP = 0.5, 1000.0  # log odds for each unit of log rate: from heavy tails to a cliff
MOST = 10.0  # times the share that is allowed; of rates beyond it is known only that more are slow than that
BESIDE = 1.05  # rates up to so many times the border show how slow responses cluster there
SURE = 3.0  # standard errors
USUAL_STEEP, STEEP_SPREAD = 12.0, 1.1  # a single queue at 70 to 90 % of its ceiling has 10 to 40
FLAT, FLAT_SPREAD = 5.0, 1.5  # heavy tails have 1.5 to 8: where the curve seems flat, less is taken as known of it
STEEPS, PLACES = 28, 300
BEYOND = math.log(1.5)  # the border is looked for so far beyond the rates that were tried
PRIOR_FREEDOM = 4.0  # trials for which it is supposed that they scatter as much as each of them shows
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class RateTrial:
    """One trial at a rate: how many responses were slow of how many, and what share may be.

    dependence: that many requests tell as much as one independent request (tau).
    """

    rate_rps: float
    slow: float
    total: float
    allowed: float
    dependence: float = 1.0

    @property
    def above(self) -> bool:
        """Whether more were slow than are allowed."""
        return self.slow > self.allowed * self.total


@dataclass(frozen=True, slots=True)
class Border:
    """The capacity with its 95 % interval, and how steep the log odds are there. An end is None where it is open."""

    rate_rps: Interval
    steepness: float

    @property
    def half_width(self) -> float:
        """The wider side of the interval as a share of the rate; infinite where an end is open."""
        return self.rate_rps.half_width


def find_border(trials: Sequence[RateTrial]) -> Border | None:
    """The border by these trials; None where all are on one side of it."""
    trials = [trial for trial in upper_branch(trials) if trial.total]
    above = [trial.above for trial in trials]
    if not trials or all(above) or not any(above):
        return None
    found = _posterior(trials, _wide(trials))
    for _ in range(PASSES):
        near = _near(trials, found)
        found = _posterior(near, _wide(near), BESIDE * found.rate_rps.value)
        if math.isfinite(found.rate_rps.width):
            found = _posterior(near, _around(found.rate_rps), BESIDE * found.rate_rps.value)
    if found.steepness < FLAT:
        found = _posterior(near, _wide(near), BESIDE * found.rate_rps.value, FLAT_SPREAD)
    return found


def _near(trials: Sequence[RateTrial], found: Border) -> list[RateTrial]:
    """The trials within the window around a border, or those that lie nearest."""
    centre = math.log(found.rate_rps.value)
    nearest = sorted(trials, key=lambda trial: abs(math.log(trial.rate_rps) - centre))
    window = min(max(REACH / found.steepness, NARROWEST), WIDEST)
    near = [trial for trial in nearest if abs(math.log(trial.rate_rps) - centre) <= window]
    return near if len(near) >= FEWEST else nearest[:FEWEST]


def _wide(trials: Sequence[RateTrial]) -> Floats:
    """Logarithms of the places where a border may be, as far as these trials reach and beyond."""
    logs = [math.log(trial.rate_rps) for trial in trials]
    return np.linspace(min(logs) - BEYOND, max(logs) + BEYOND, PLACES)


def _around(rate: Interval) -> Floats:
    """The same, as finely as an interval needs it."""
    low, high = map(math.log, rate.ends)
    return np.linspace(2.0 * low - high, 2.0 * high - low, PLACES)


def upper_branch(trials: Sequence[RateTrial]) -> list[RateTrial]:
    """The trials from the rate on below which more responses are slow than are allowed, surely.

    A server that waits to fill its batches is slow at low rates too; the capacity lies beyond.
    """
    rates = sorted({trial.rate_rps for trial in trials})
    excesses = [_excess([trial for trial in trials if trial.rate_rps == rate]) for rate in rates]
    start = 0.0
    for place, (share, error) in enumerate(excesses):
        kept = [later for later in range(place + 1, len(rates)) if excesses[later][0] < 0.0 < share]
        if any(share - excesses[later][0] > SURE * math.hypot(error, excesses[later][1]) for later in kept):
            start = rates[kept[0]]
    return [trial for trial in trials if trial.rate_rps >= start]


def _excess(trials: Sequence[RateTrial]) -> tuple[float, float]:
    """The share of slow responses of trials of one rate beyond what is allowed, and its standard error."""
    total = sum(trial.total for trial in trials)
    allowed = sum(trial.allowed * trial.total for trial in trials) / total if total else 0.0
    share = sum(trial.slow for trial in trials) / total if total else 0.0
    supposed = max(share, allowed)
    return share - allowed, math.sqrt(supposed * (1.0 - supposed) * _tau(trials) / total) if total else math.inf


def _posterior(
    trials: Sequence[RateTrial], places: Floats, up_to_rps: float = math.inf, steep_spread: float = STEEP_SPREAD
) -> Border:
    """Median and interval of the border over `places`, which are equally likely before, and a grid of steepnesses.

    steep_spread: standard deviation of the logarithm of the steepness before, about `USUAL_STEEP`.
    """
    rates, at = np.unique([trial.rate_rps for trial in trials], return_inverse=True)
    logs, steeps = np.log(rates), np.geomspace(LEAST_STEEP, MOST_STEEP, STEEPS)
    weight, allowed = _tau(trials, up_to_rps), trials[0].allowed
    each = np.array([(trial.slow, trial.total) for trial in trials]).T
    slow, total = (np.bincount(at, counts) for counts in each)
    most = MOST * allowed
    kept = np.minimum(1.0, most * total / np.maximum(slow, 1.0))  # the part of the slow ones that is counted, by rate
    slow *= kept
    odds = math.log(allowed / (1.0 - allowed)) + steeps[:, None, None] * (logs - places[:, None])
    odds = np.minimum(odds, math.log(most / (1.0 - most)))  # (steeps, places, rates)
    # The logarithms of the share and of its complement, without overflow.
    seen = slow * np.logaddexp(0.0, -odds) + (total - slow) * np.logaddexp(0.0, odds)
    likelihood = -seen.sum(axis=2) / weight
    best = np.unravel_index(int(likelihood.argmax()), likelihood.shape)
    share = 1.0 / (1.0 + np.exp(np.minimum(-odds[best], 700.0)))
    likelihood /= _overdispersion(each[0] * kept[at], each[1], share[at], weight)
    likelihood -= ((np.log(steeps / USUAL_STEEP) / steep_spread) ** 2 / 2)[:, None]
    mass = np.exp(likelihood - likelihood.max())
    low, middle, high = (_quantile(places, mass.sum(axis=0), p) for p in (TAIL, 0.5, 1.0 - TAIL))
    open_low, open_high = low < logs[0] - BEYOND / 2, high > logs[-1] + BEYOND / 2
    rate = Interval(math.exp(middle), None if open_low else math.exp(low), None if open_high else math.exp(high))
    return Border(rate, float(np.exp((mass.sum(axis=1) * np.log(steeps)).sum() / mass.sum())))


def _tau(trials: Sequence[RateTrial], up_to_rps: float = math.inf) -> float:
    """The dependence over all trials, weighted by what they count: one without a slow response says nothing of it.

    Only rates up to `up_to_rps` count, as long as they show any: beyond its capacity a server that is always slow shows
    none.
    """
    near = [trial for trial in trials if trial.rate_rps <= up_to_rps]
    chosen = near if any(trial.slow for trial in near) else trials
    slow = sum(trial.slow for trial in chosen)
    return max(sum(trial.slow * trial.dependence for trial in chosen) / slow, 1.0) if slow else 1.0


def _overdispersion(slow: Floats, total: Floats, share: Floats, weight: float) -> float:
    """By how much more the trials scatter about the curve than each of them shows, at least 1.

    Widened by as much as Student's t is wider than the normal distribution, since so few trials show it.
    """
    expected = total * share
    squares = (slow - expected) ** 2 / np.maximum(expected * (1.0 - share) * weight, 0.25 * weight)
    freedom = PRIOR_FREEDOM + max(slow.size - 2, 0)
    wider = student_t_quantile(1.0 - TAIL, freedom) / normal_quantile(1.0 - TAIL)
    return max(1.0, float(PRIOR_FREEDOM + squares.sum()) / freedom) * wider**2


def _quantile(places: Floats, mass: Floats, p: float) -> float:
    cumulative = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    return float(np.interp(p, cumulative, places))
