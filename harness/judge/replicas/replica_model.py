"""What one replica does under a rate of arrivals: by its batches where they were measured, else by its curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.number_text import milliseconds
from harness.judge.replicas.user_curve import Level, UserCurve, fit_curve
from harness.judge.simulation.fit import fit
from harness.judge.simulation.prediction import system_of
from harness.judge.simulation.simulated_run import simulate
from harness.judge.stats.quantiles import quantile
from harness.plan.arrivals import Closed, Poisson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.simulation.fit import BatchTrial
    from harness.plan.knobs import Setting

REQUESTS = 30_000  # simulated for each rate
LEAST_ERROR = 0.15  # of a percentile: a simulation of that many requests has an error of its own
LEAST_RATE_ERROR = 0.02  # of what a replica can do: near it, the percentile follows that steeply
LEAST_CURVE_ERROR = 0.1  # of a percentile, added beyond the two servers that bound what a curve allows
HOLD_OUT_REQUESTS = 6_000
ALMOST = 0.9  # of the largest batch: as good as that


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A measured point and what was predicted of it without it: natural logarithms of predicted / measured."""

    throughput: float
    tail: float


@dataclass(frozen=True, slots=True)
class TailRange:
    """Between which times the percentile lies, in ms."""

    low_ms: float
    high_ms: float

    @property
    def text(self) -> str:
        """`18 ms to 22 ms`; `at most 22 ms` where it is too wide to say anything."""
        low, high = milliseconds(self.low_ms), milliseconds(self.high_ms)
        if Interval(self.high_ms, self.low_ms, self.high_ms).vague:
            return f"at most {high}"
        return high if low == high else f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class Rate:
    """One measured rate of Poisson arrivals, and the interval of the percentile there."""

    rate_rps: float
    tail: TailRange


class BatchModel:
    """A replica whose batches were measured, simulated batch by batch.

    most_rps: what it completes when it is never idle; measured_rps: the highest throughput at which it was measured;
    saturated: whether it can do no more than most_rps; from_one: whether a lone request was measured, or its batch.
    """

    source = "the batches that the run measured"
    saturated = from_one = True

    def __init__(self, setting: Setting, batching: Setting, trials: Sequence[BatchTrial], p: float, seed: int) -> None:
        """`batching` is that of the setting; `trials` those of all settings that differ from it in batching only."""
        self.setting = setting
        self._seed = seed
        self._system = system_of(fit(trials), batching, ())
        self.held_out = _held_out(trials, p, seed)
        busiest = simulate(self._system, Closed(users=4 * self._system.batch_size), HOLD_OUT_REQUESTS, seed)
        self.most_rps = busiest.throughput_rps
        self.measured_rps = max(trial.throughput_rps for trial in trials)

    def tail(self, rate_rps: float, p: float) -> TailRange:
        """The range of the percentile at that rate.

        It is simulated at the rate less and plus the largest error of the throughput at a held-out point, and widened
        by the largest error of the percentile there.
        """
        off = math.exp(max(LEAST_ERROR, *(abs(each.tail) for each in self.held_out)))
        faster = math.exp(max(LEAST_RATE_ERROR, *(abs(each.throughput) for each in self.held_out)))
        low_ms, high_ms = sorted(self._quantile_at(rate, p) for rate in (rate_rps / faster, rate_rps * faster))
        return TailRange(low_ms / off, high_ms * off)

    def _quantile_at(self, rate_rps: float, p: float) -> float:
        times_ms = simulate(self._system, Poisson(rate_rps=rate_rps), REQUESTS, self._seed).responses_ms
        return _quantile(times_ms, p)


class CurveModel:
    """A replica of which only throughput and response times under several numbers of users are known."""

    source = "its throughput and response times by number of users; how it batches is not known"

    def __init__(self, setting: Setting, levels: Sequence[Level], p: float, seed: int) -> None:
        self.setting = setting
        self._seed = seed
        self._curve = fit_curve(levels, p)
        self.most_rps = self.measured_rps = self._curve.most_rps
        self.saturated = self._curve.saturated
        self.from_one = self._curve.users[0] == 1
        self.held_out = [_without(levels, level, seed, p) for level in sorted(levels, key=_users)[1:-1]]

    def tail(self, rate_rps: float, p: float) -> TailRange:
        """The range of the percentile at that rate.

        It goes from a server that responds one by one to one that serves all that waits as one batch, and is widened by
        the mean error at a held-out number of users.
        """
        between = _tail_of(self._curve, rate_rps, p, self._seed)
        errors = [abs(each.tail) for each in self.held_out]
        off = math.exp(max(LEAST_CURVE_ERROR, float(np.mean(errors)) if errors else 0.0))
        return TailRange(between.low_ms / off, between.high_ms * off)


class RateModel:
    """A replica that was measured under Poisson arrivals: what was seen at the next higher rate, and nothing beyond."""

    source = "its response times at measured rates of arrivals"
    saturated = from_one = False  # lower and higher rates may give anything

    def __init__(self, setting: Setting, rates: Sequence[Rate]) -> None:
        self.setting = setting
        self._rates = sorted(rates, key=lambda rate: rate.rate_rps)
        self.most_rps = self.measured_rps = self._rates[-1].rate_rps
        self.held_out = [_between(*three) for three in zip(self._rates, self._rates[1:], self._rates[2:], strict=False)]

    def tail(self, rate_rps: float, p: float) -> TailRange:
        """As measured."""
        del p
        return next(each.tail for each in self._rates if each.rate_rps >= rate_rps)


ReplicaModel = BatchModel | CurveModel | RateModel


def _between(before: Rate, held: Rate, after: Rate) -> HeldOut:
    """The middle one of three rates, on the line between the others."""
    share = (held.rate_rps - before.rate_rps) / (after.rate_rps - before.rate_rps)
    values = [math.sqrt(each.tail.low_ms * each.tail.high_ms) for each in (before, held, after)]
    return HeldOut(0.0, (1 - share) * math.log(values[0]) + share * math.log(values[2]) - math.log(values[1]))


def _tail_of(curve: UserCurve, rate_rps: float, p: float, seed: int) -> TailRange:
    one_by_one = _quantile(curve.responses_ms(rate_rps, REQUESTS, seed), p)
    batches = simulate(curve.as_batches(), Poisson(rate_rps=rate_rps), REQUESTS, seed).responses_ms
    return TailRange(one_by_one, max(one_by_one, _quantile(batches, p)))


def _without(levels: Sequence[Level], level: Level, seed: int, p: float) -> HeldOut:
    """The error at one level of the curve through the others; 0 where the measured tail lies in the predicted range."""
    curve = fit_curve([each for each in levels if each is not level], p)
    closed = simulate(curve.as_batches(), Closed(users=level.users), HOLD_OUT_REQUESTS, seed)
    low_ms, high_ms = sorted((curve.closed_tail_ms(level.users, p), _quantile(closed.responses_ms, p)))
    measured_ms = level.tail_ms or low_ms
    nearest_ms = min(max(measured_ms, low_ms), high_ms)
    rate = float(curve.rates_to(level.users)[-1])
    return HeldOut(math.log(rate / level.rate_rps), math.log(nearest_ms / measured_ms))


def _held_out(trials: Sequence[BatchTrial], p: float, seed: int) -> list[HeldOut]:
    """Each point with users or Poisson arrivals, predicted from the trials of all other points.

    One whose batches are larger or smaller than those of all others would be extrapolated, and is left out.
    """
    points = {trial.point.number: trial.point for trial in trials}
    found = []
    for point in points.values():
        others = [trial for trial in trials if trial.point.number != point.number]
        own = [trial for trial in trials if trial.point.number == point.number]
        if not isinstance(point.arrivals, Closed | Poisson) or not _between_others(own, others):
            continue
        outcome = simulate(system_of(fit(others), own[0].batching, ()), point.arrivals, HOLD_OUT_REQUESTS, seed)
        measured_rps = float(np.mean([trial.throughput_rps for trial in own]))
        measured_ms = _quantile(np.concatenate([trial.responses_ms for trial in own]), p)
        tail = math.log(_quantile(outcome.responses_ms, p) / measured_ms)
        found.append(HeldOut(math.log(outcome.throughput_rps / measured_rps), tail))
    return found


def _between_others(own: Sequence[BatchTrial], others: Sequence[BatchTrial]) -> bool:
    sizes = [trial.mean_rows for trial in others]
    mean = float(np.mean([trial.mean_rows for trial in own]))
    return bool(sizes) and min(sizes) * ALMOST <= mean <= max(sizes) / ALMOST


def _quantile(values: NDArray[np.float64], p: float) -> float:
    return float(quantile(np.sort(values), p))


def _users(level: Level) -> int:
    return level.users
