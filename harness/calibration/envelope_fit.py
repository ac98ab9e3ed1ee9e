"""The generator against a server that does nothing: all that is measured there is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.calibration.exercises import ALONE, FASTEST
from harness.clock import NS_PER_MS, wall_time
from harness.errors import RunError
from harness.judge.numbers.trial_rows import trial_rows
from harness.judge.stats.quantiles import quantile
from harness.plan.arrivals import OpenProcess
from harness.record.machine.envelope import Envelope, Lateness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.record.trial_data import TrialData


def envelope_of(trials: Sequence[TrialData], fingerprint: str) -> Envelope:
    """What the trials against `null` show. Raises RunError where one of them has no rows."""
    measured_by_load = {data.point.arrivals: trial_rows(data) for data in trials}
    found = {load: trial for load, trial in measured_by_load.items() if trial is not None}
    if len(found) < len(trials):
        raise RunError("null: nothing was measured")
    return Envelope(
        fingerprint=fingerprint,
        measured_at=wall_time().isoformat(timespec="seconds"),
        greatest_rps=float(found[FASTEST].rates_rps().mean()),
        floor_ms=quantile(found[ALONE].response.ordered_ns, 0.5) / NS_PER_MS,
        lateness=tuple(
            Lateness(
                rate_rps=load.max_rate_rps,
                p50_ms=quantile(trial.lateness.ordered_ns, 0.5) / NS_PER_MS,
                p99_ms=quantile(trial.lateness.ordered_ns, 0.99) / NS_PER_MS,
            )
            for load, trial in found.items()
            if isinstance(load, OpenProcess)
        ),
    )
