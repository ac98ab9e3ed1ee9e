"""How much a correlated sequence is worth in independent samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_FIRST_LAGS = 1024
_MORE = 8
_COUNTED_LAGS = 16


def autocorrelation(series: ArrayLike, lags: int) -> NDArray[np.floating]:
    """Autocorrelation at lags 0 to `lags` - 1 (lags,), by FFT; zero after lag 0 for a constant series.

    The series is cut into blocks of `lags`, each correlated with itself and its successor, and the spectra are
    added: the same sums as with one long transform, at a fraction of its time. float32 input stays float32,
    whose error of some 1e-6 is far below the noise of any autocorrelation.
    """
    from scipy import fft

    values = np.asarray(series)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    blocks = np.zeros((-(-values.size // lags) + 1, lags), dtype=values.dtype)
    blocks.reshape(-1)[: values.size] = values - values.mean(dtype=np.float64)
    spectra = fft.rfft(blocks, 2 * lags, axis=1)
    later = spectra[1:] * (1 - 2 * (np.arange(lags + 1) % 2)).astype(values.dtype)  # each moved on by one block
    later += spectra[:-1]
    covariance = fft.irfft((np.conj(spectra[:-1]) * later).sum(axis=0), 2 * lags)[:lags]
    if covariance[0] <= np.finfo(values.dtype).tiny:
        none: NDArray[np.floating] = np.eye(1, lags, dtype=values.dtype)[0]
        return none
    correlation: NDArray[np.floating] = covariance / covariance[0]
    return correlation


def autocorrelation_time(series: ArrayLike) -> float:
    """Tau >= 1: that many samples in this order tell as much about the mean as one independent sample.

    Geyer's initial positive sequence (Statistical Science 7, 1992, section 3.3): sums of neighbouring
    autocorrelations are added until the first that is not positive.
    """
    size = np.size(series)
    lags = _FIRST_LAGS
    while True:
        correlation = autocorrelation(series, lags)
        sums = correlation[0::2] + correlation[1::2]
        ended = np.flatnonzero(sums <= 0)
        if ended.size or lags >= size:
            kept = sums[: ended[0]] if ended.size else sums
            return max(1.0, 2.0 * float(kept.sum(dtype=np.float64)) - 1.0)
        lags *= _MORE


def indicator_time(indicator: NDArray[np.bool_]) -> float:
    """`autocorrelation_time` of truth values (n,) that are not all alike.

    Most sequences lose their correlation within a few lags. These are counted, in a thirtieth of a transform's time.
    """
    size, total = indicator.size, int(np.count_nonzero(indicator))
    mean = total / size
    tau = -1.0
    for lag in range(0, min(_COUNTED_LAGS, size - 1), 2):
        pair = sum(_covariance_sum(indicator, total, each) for each in (lag, lag + 1)) / (total * (1.0 - mean))
        if pair <= 0:
            return max(1.0, tau)
        tau += 2.0 * pair
    return autocorrelation_time(indicator.astype(np.float32))


def _covariance_sum(indicator: NDArray[np.bool_], total: int, lag: int) -> float:
    """The sum of the products of deviations from the mean that are `lag` apart."""
    left = indicator.size - lag
    first, last = indicator[:left], indicator[lag:]
    ends = 2 * total - int(np.count_nonzero(indicator[left:])) - int(np.count_nonzero(indicator[:lag]))
    mean = total / indicator.size
    return int(np.count_nonzero(first & last)) - mean * ends + left * mean**2
