"""How much one trial of a setting differs from the next, estimated from all points of a sweep together.

Two trials of the same setting differ by more than what happens inside each of them: another placement of threads, other
neighbours, another clock rate. An interval that is made from the inside of trials alone is too narrow, and the longer
the trials, the more so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.stats.dependence import slow_time, stretch_means
from harness.judge.stats.distributions import student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

PRIOR_SIGMA = 0.05  # what repeats differ by on a machine of which nothing is known
PRIOR_FREEDOM = 4.0  # the prior stands for that many degrees of freedom, less those that the repeats bring
_UPPER = 0.975
_LEAST_VARIANCE, _GREATEST_VARIANCE = 1e-10, 1e6


@dataclass(frozen=True, slots=True)
class LogMean:
    """The logarithm of one trial's mean rate or response time, and its standard error within the trial."""

    log_value: float
    error: float


@dataclass(frozen=True, slots=True)
class TrialNoise:
    """Standard deviation of the logarithm of a mean from trial to trial, known with `freedom` degrees of freedom."""

    sigma: float
    freedom: float

    def half_width(self, repeats: float, upper: float = _UPPER) -> float:
        """How far, on logarithms, the mean of `repeats` trials may lie from the typical trial at quantile `upper`."""
        return student_t_quantile(upper, self.freedom) * self.sigma / math.sqrt(repeats)

    def trial_factors(self, log_means: Sequence[LogMean]) -> NDArray[np.float64]:
        """By what factor (trials,) each trial is slower or faster than the typical trial.

        The differences between the trials are shrunk by the share of them that the trial noise explains (best linear
        unbiased prediction; Robinson, Statistical Science 6, 1991): where means are uncertain by what happens inside
        the trials, the factors are near 1.
        """
        logs = np.array([log_mean.log_value for log_mean in log_means])
        total = self.sigma**2 + _variance_inside(log_means)
        share = self.sigma**2 / total if total else 0.0
        factors: NDArray[np.float64] = np.exp(share * (logs - logs.mean()))
        return factors

    def tail_excess(self, log_means: Sequence[LogMean], steepness: float) -> float:
        """By how much, on logarithms, a tail that falls with `steepness` lies too high in the rows of all trials.

        Trials whose means are not known cannot be brought to a common one, and the slow ones make the tail: rows that
        become rarer by exp(-steepness) lie steepness / 2 of the variance higher than those of the typical trial.
        """
        inside, between = _variance_inside(log_means) if log_means else 0.0, self.sigma**2
        left = between * inside / (between + inside) if between + inside else 0.0
        return steepness * left / 2.0 * (len(log_means) - 1) / len(log_means) if log_means else 0.0


PRIOR_NOISE = TrialNoise(PRIOR_SIGMA, PRIOR_FREEDOM)


def mean_error(stretches: ArrayLike) -> tuple[float, float]:
    """(standard error, degrees of freedom) of the mean of equally long stretches of one trial; (0, 0) for only one.

    The dependence of the stretches is accounted for, so that a speed that wanders more slowly than a stretch is long
    does not pass for precision.
    """
    values = np.asarray(stretches, dtype=np.float64)
    if values.size < 2:
        return 0.0, 0.0
    worth = values.size / slow_time([values])
    return float(values.std(ddof=1)) / math.sqrt(worth), max(1.0, worth - 1.0)


def log_rate(rates: ArrayLike) -> LogMean | None:
    """The mean rate of a trial, by its rates in equal stretches; None where the rate is 0."""
    values = np.asarray(rates, dtype=np.float64)
    mean = float(values.mean()) if values.size else 0.0
    return LogMean(math.log(mean), mean_error(values)[0] / mean) if mean > 0 else None


def log_duration(values: ArrayLike) -> LogMean | None:
    """The mean logarithm of a trial's durations, in arrival order; None where there is none."""
    logs = np.array(values, dtype=np.float64)
    if not logs.size:
        return None
    np.log(np.maximum(logs, 1.0, out=logs), out=logs)
    return LogMean(float(logs.mean()), mean_error(stretch_means(logs))[0])


def pooled_rate(
    trials: Sequence[NDArray[np.float64]],
    noise: TrialNoise = PRIOR_NOISE,
    *,
    share_if_slower: float = 1.0,
    share_if_faster: float = 1.0,
) -> Interval:
    """The mean rate of several trials, each given in equal stretches; without an interval where it is 0.

    For a rate that counts only what is within a limit, `share_if_slower` and `share_if_faster` say what becomes of it,
    beside the rate itself, where the typical trial is slower or faster by what the trial noise allows.
    """
    value = float(np.mean([trial.mean() for trial in trials])) if trials else 0.0
    if value <= 0:
        return Interval(0.0)
    errors = [mean_error(trial) for trial in trials]
    freedom = sum(each for _, each in errors)
    if not freedom:
        return Interval(value)
    error = math.sqrt(sum(each**2 for each, _ in errors)) / len(trials) / value
    inside = student_t_quantile(_UPPER, freedom) * error
    between = noise.half_width(len(trials))
    below = between - math.log(share_if_slower) if share_if_slower > 0 else math.inf
    above = between + math.log(share_if_faster)
    return Interval(value, value * math.exp(-math.hypot(inside, below)), value * math.exp(math.hypot(inside, above)))


def trial_noise(points: Sequence[Sequence[LogMean]]) -> TrialNoise:
    """The trial noise that explains the scatter of the repeats of all `points`.

    By restricted maximum likelihood with known errors inside the trials: a point counts the less, the less its trials
    know their own means (DerSimonian and Laird, Contemporary Clinical Trials 28, 2007). Where the repeats bring fewer
    than `PRIOR_FREEDOM` degrees of freedom about a sigma of `PRIOR_SIGMA`, the prior brings the others.
    """
    points = [log_means for log_means in points if len(log_means) > 1]
    if not points:
        return PRIOR_NOISE
    freedom = np.array([len(log_means) - 1 for log_means in points])
    squares = freedom * np.array(
        [np.var([log_mean.log_value for log_mean in log_means], ddof=1) for log_means in points]
    )
    inside = np.array([_variance_inside(log_means) for log_means in points])

    def known(variance: float) -> float:
        shares = np.divide(variance, variance + inside, out=np.ones_like(inside), where=variance + inside > 0.0)
        return float((freedom * shares**2).sum())

    prior = max(0.0, PRIOR_FREEDOM - known(PRIOR_SIGMA**2))

    def excess(variance: float) -> float:
        total = variance + inside
        score = float(((squares / total - freedom) / total).sum())
        return score + prior * (PRIOR_SIGMA**2 / variance - 1.0) / variance

    variance = _root(excess)
    return TrialNoise(math.sqrt(variance), max(PRIOR_FREEDOM, known(variance)))


def _variance_inside(log_means: Sequence[LogMean]) -> float:
    """What the trials of a point cannot know about their own means, on average: a single trial may have been lucky."""
    return float(np.mean([log_mean.error**2 for log_mean in log_means]))


def _root(excess: Callable[[float], float]) -> float:
    """The variance at which `excess` is 0; 0 where it is below that from the start."""
    from scipy.optimize import brentq

    if excess(_LEAST_VARIANCE) <= 0:
        return 0.0
    return float(brentq(excess, _LEAST_VARIANCE, _GREATEST_VARIANCE))


def widened(value: float, low: float, high: float, half_width: float) -> tuple[float, float]:
    """The interval (low, high) of a positive value, widened on logarithms in quadrature by `half_width`."""
    below = math.inf if low <= 0 else math.log(value / low)
    return (
        value * math.exp(-math.hypot(below, half_width)),
        value * math.exp(math.hypot(math.log(high / value), half_width)),
    )
