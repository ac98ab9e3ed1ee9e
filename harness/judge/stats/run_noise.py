"""How much one run of a setting differs from the next, estimated from all points of a sweep together.

Two runs of the same setting differ by more than what happens inside each of them: another placement of threads, other
neighbours, another clock rate. An interval that is made from the inside of runs alone is too narrow, and the longer
the runs, the more so.
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
class RunLevel:
    """The logarithm of one run's level (of its rate, or of its response times), and its standard error in the run."""

    log_value: float
    error: float


@dataclass(frozen=True, slots=True)
class RunNoise:
    """Standard deviation of the logarithm of a level from run to run, known with `freedom` degrees of freedom."""

    sigma: float
    freedom: float

    def half_width(self, repeats: float, upper: float = _UPPER) -> float:
        """How far, on logarithms, the mean of `repeats` runs may lie from the typical run at quantile `upper`."""
        return student_t_quantile(upper, self.freedom) * self.sigma / math.sqrt(repeats)

    def run_factors(self, levels: Sequence[RunLevel]) -> NDArray[np.float64]:
        """By what factor (runs,) each run is slower or faster than the typical run.

        The differences between the runs are shrunk by the share of them that the run noise explains (best linear
        unbiased prediction; Robinson, Statistical Science 6, 1991): where levels are uncertain by what happens inside
        the runs, the factors are near 1.
        """
        logs = np.array([level.log_value for level in levels])
        total = self.sigma**2 + _variance_inside(levels)
        share = self.sigma**2 / total if total else 0.0
        factors: NDArray[np.float64] = np.exp(share * (logs - logs.mean()))
        return factors

    def tail_excess(self, levels: Sequence[RunLevel], steepness: float) -> float:
        """By how much, on logarithms, a tail that falls with `steepness` lies too high in the rows of all runs.

        Runs whose levels are not known cannot be brought to a common one, and the slow ones make the tail: rows that
        become rarer by exp(-steepness) lie steepness / 2 of the variance higher than those of the typical run.
        """
        inside, between = _variance_inside(levels) if levels else 0.0, self.sigma**2
        left = between * inside / (between + inside) if between + inside else 0.0
        return steepness * left / 2.0 * (len(levels) - 1) / len(levels) if levels else 0.0


PRIOR_NOISE = RunNoise(PRIOR_SIGMA, PRIOR_FREEDOM)


def mean_error(stretches: ArrayLike) -> tuple[float, float]:
    """(standard error, degrees of freedom) of the mean of equally long stretches of one run; (0, 0) for only one.

    The dependence of the stretches is accounted for, so that a speed that wanders more slowly than a stretch is long
    does not pass for precision.
    """
    values = np.asarray(stretches, dtype=np.float64)
    if values.size < 2:
        return 0.0, 0.0
    worth = values.size / slow_time([values])
    return float(values.std(ddof=1)) / math.sqrt(worth), max(1.0, worth - 1.0)


def rate_level(rates: ArrayLike) -> RunLevel | None:
    """The level of a run by its rates in equal stretches; None where the rate is 0."""
    values = np.asarray(rates, dtype=np.float64)
    mean = float(values.mean()) if values.size else 0.0
    return RunLevel(math.log(mean), mean_error(values)[0] / mean) if mean > 0 else None


def duration_level(values: ArrayLike) -> RunLevel | None:
    """The level of a run by the mean logarithm of its durations, in arrival order; None where there is none."""
    logs = np.array(values, dtype=np.float64)
    if not logs.size:
        return None
    np.log(np.maximum(logs, 1.0, out=logs), out=logs)
    return RunLevel(float(logs.mean()), mean_error(stretch_means(logs))[0])


def pooled_rate(
    runs: Sequence[NDArray[np.float64]],
    noise: RunNoise = PRIOR_NOISE,
    *,
    share_if_slower: float = 1.0,
    share_if_faster: float = 1.0,
) -> Interval:
    """The mean rate of several runs, each given in equal stretches; without an interval where it is 0.

    For a rate that counts only what is within a limit, `share_if_slower` and `share_if_faster` say what becomes of it,
    beside the rate itself, where the typical run is slower or faster by what the run noise allows.
    """
    value = float(np.mean([run.mean() for run in runs])) if runs else 0.0
    if value <= 0:
        return Interval(0.0)
    errors = [mean_error(run) for run in runs]
    freedom = sum(each for _, each in errors)
    if not freedom:
        return Interval(value)
    error = math.sqrt(sum(each**2 for each, _ in errors)) / len(runs) / value
    inside = student_t_quantile(_UPPER, freedom) * error
    between = noise.half_width(len(runs))
    below = between - math.log(share_if_slower) if share_if_slower > 0 else math.inf
    above = between + math.log(share_if_faster)
    return Interval(value, value * math.exp(-math.hypot(inside, below)), value * math.exp(math.hypot(inside, above)))


def run_noise(points: Sequence[Sequence[RunLevel]]) -> RunNoise:
    """The run noise that explains the scatter of the repeats of all `points`.

    By restricted maximum likelihood with known errors inside the runs: a point counts the less, the less its runs know
    their own levels (DerSimonian and Laird, Contemporary Clinical Trials 28, 2007). Where the repeats bring fewer than
    `PRIOR_FREEDOM` degrees of freedom about a sigma of `PRIOR_SIGMA`, the prior brings the others.
    """
    points = [levels for levels in points if len(levels) > 1]
    if not points:
        return PRIOR_NOISE
    freedom = np.array([len(levels) - 1 for levels in points])
    squares = freedom * np.array([np.var([level.log_value for level in levels], ddof=1) for levels in points])
    inside = np.array([_variance_inside(levels) for levels in points])

    def known(variance: float) -> float:
        shares = np.divide(variance, variance + inside, out=np.ones_like(inside), where=variance + inside > 0.0)
        return float((freedom * shares**2).sum())

    prior = max(0.0, PRIOR_FREEDOM - known(PRIOR_SIGMA**2))

    def excess(variance: float) -> float:
        total = variance + inside
        score = float(((squares / total - freedom) / total).sum())
        return score + prior * (PRIOR_SIGMA**2 / variance - 1.0) / variance

    variance = _root(excess)
    return RunNoise(math.sqrt(variance), max(PRIOR_FREEDOM, known(variance)))


def _variance_inside(levels: Sequence[RunLevel]) -> float:
    """What the runs of a point cannot know about their own levels, on average: a single run may have been lucky."""
    return float(np.mean([level.error**2 for level in levels]))


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
