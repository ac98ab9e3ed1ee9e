"""What the repeats of a sweep say of how much one run differs from the next, for each kind of figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.stats.run_noise import PRIOR_NOISE, RunLevel, RunNoise, rate_level, run_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.judge.stats.durations import Durations

    RunLevels = Mapping[str, RunLevel]  # of one run, by kind of figure; without those that it has none of

THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class RunNoises:
    """The run noise of throughput, and that of each kind of duration ("response", "service", "ttft", ...)."""

    by_kind: Mapping[str, RunNoise]

    def of(self, kind: str) -> RunNoise:
        """That of one kind of figure; the prior where no run had any."""
        return self.by_kind.get(kind, PRIOR_NOISE)


PRIOR_NOISES = RunNoises({})  # where there is only one run


def run_levels(rates_rps: NDArray[np.float64], durations: Mapping[str, Durations]) -> RunLevels:
    """The level of one run's throughput, and of each kind of duration."""
    found = {THROUGHPUT: rate_level(rates_rps)}
    found |= {kind: each.level for kind, each in durations.items()}
    return {kind: level for kind, level in found.items() if level is not None}


def run_noises(points: Sequence[Sequence[RunLevels]]) -> RunNoises:
    """The run noise of each kind of figure, from every run of every point."""
    kinds = dict.fromkeys(kind for levels in points for run in levels for kind in run)
    return RunNoises({
        kind: run_noise([[run[kind] for run in levels if kind in run] for levels in points]) for kind in kinds
    })  # fmt: skip
