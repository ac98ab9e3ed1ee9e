"""How many independent samples the requests of several runs are worth, for a share of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.stats.correlation import autocorrelation_time, batch_means_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def dependence(indicators: Sequence[NDArray[np.bool_]]) -> float:
    """Tau >= 1: that many requests tell as much about the share of True as one independent request.

    Each run is in arrival order. The variance of a count over runs is the sum of the runs' variances, so their taus are
    weighted by what they count: by True where True is the rarer (a run with a stall has many and clustered ones,
    a run without one has none and says nothing of how they cluster). The greater of Geyer's and of batch means counts.
    """
    weights, geyer, batches = 0.0, 0.0, 0.0
    for indicator in indicators:
        share = float(indicator.mean()) if indicator.size else 0.0
        weight = indicator.size * share * (1.0 - share)
        if weight:
            series = indicator.astype(np.float32)
            weights += weight
            geyer += weight * autocorrelation_time(series)
            batches += weight * batch_means_time(series)
    return max(1.0, geyer / weights, batches / weights) if weights else 1.0
