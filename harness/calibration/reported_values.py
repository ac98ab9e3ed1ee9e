"""The figures that our own report gives for an exercise, under the names of the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.calibration.true_values import durations_ms
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from harness.calibration.claims import Values
    from harness.judge.metrics import TrialMetrics
    from harness.judge.numbers.trial_rows import TrialRows

_PERCENTILES = {"p50_ms": 0.5, "p99_ms": 0.99}


def reported_values(rows: TrialRows, metrics: TrialMetrics) -> Values:
    """The figures of one trial. A percentile that the report withholds is computed all the same: it must be right."""
    counts = metrics.counts
    failed = counts.error + counts.timeout + counts.rejected + counts.aborted
    good = rows.good
    values: Values = {
        "rows": float(np.count_nonzero(rows.everything["sent_ns"] != ABSENT)),
        "throughput_rps": metrics.throughput_rps.value,
        "failed_share": failed / counts.sent if counts.sent else None,
        "wrong_share": counts.wrong / counts.sent if counts.sent else None,
    }
    return values | durations_ms(np.sort(good["done_ns"] - good["due_ns"]))


def withheld(metrics: TrialMetrics) -> frozenset[str]:
    """The percentiles of which the report gives only a lower bound, since the sample is too small for more."""
    found = {name: metrics.response.at(p) for name, p in _PERCENTILES.items()}
    return frozenset(name for name, quantile in found.items() if quantile is None or quantile.only_bound)
