"""Quantiles of the distributions behind the intervals.

These are the functions that `scipy.stats` itself calls. To import that package takes half a second of CPU time, which
is longer than a report needs for most runs.
"""

from __future__ import annotations


def student_t_quantile(p: float, freedom: float) -> float:
    """The `p`-quantile of Student's t with `freedom` degrees of freedom, which need not be whole."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def normal_cdf(z: float) -> float:
    """The share of the standard normal distribution below `z`."""
    from scipy.special import ndtr

    return float(ndtr(z))


def normal_quantile(p: float) -> float:
    """The `p`-quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(p))


def gamma_quantile(p: float, shape: float) -> float:
    """The `p`-quantile of the gamma distribution with `shape` and scale 1; its mean is `shape`."""
    from scipy.special import gammaincinv

    return float(gammaincinv(shape, p))
