"""What the repeats of a sweep say of how much one run differs from the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.stats.run_noise import PRIOR_NOISE, RunNoise, duration_level, rate_level, run_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.numbers.throughput import Rates
    from harness.judge.stats.durations import Durations


@dataclass(frozen=True, slots=True)
class RunNoises:
    """The run noise of throughput, and that of each kind of duration ("response", "service", "ttft", ...)."""

    throughput: RunNoise
    durations: Mapping[str, RunNoise]

    def of(self, kind: str) -> RunNoise:
        """That of a kind of duration; the prior where no run had any."""
        return self.durations.get(kind, PRIOR_NOISE)


def run_noises(rates: Sequence[Sequence[Rates]], durations: Mapping[str, Sequence[Sequence[Durations]]]) -> RunNoises:
    """From the rates, and the durations of each kind, of every run of every point."""
    return RunNoises(
        run_noise([[level for run in point if (level := rate_level(run))] for point in rates]),
        {
            kind: run_noise([[level for run in point if (level := duration_level(run.values_ns))] for point in points])
            for kind, points in durations.items()
        },
    )
