"""How often do nominal 95 % intervals hold the truth? On queues whose percentiles are known exactly.

    python tests/benchmarks/coverage.py [--runs 1000]

Prints, per case: how often our interval is given at all, how often it then covers the truth, how wide it is, and
how often the usual interval for independent samples covers it.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import queueing

from harness.judge.stats.durations import Durations
from harness.judge.stats.percentile_intervals import percentiles
from harness.judge.stats.quantiles import quantile
from harness.judge.stats.trial_noise import TrialNoise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Simulate = Callable[[np.random.Generator, int, int], NDArray[np.float64]]

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
SHOWN = (0.5, 0.99)
CHUNK = 20
Z_95 = 1.959964
NO_RUN_NOISE = TrialNoise(0.0, 16.0)  # one simulated run is like the next
SHIFT = 10.0  # of the autoregressive process: durations are positive


@dataclass(frozen=True)
class Case:
    """A process in arrival order with its true quantiles."""

    name: str
    count: int
    simulate: Simulate
    truth: Callable[[float], float]


def _queue(name, count, rho, *, fixed_service):
    quantile = queueing.md1_response_quantile if fixed_service else queueing.mm1_response_quantile
    return Case(
        f"{name}, utilisation {rho}",
        count,
        lambda rng, runs, n: queueing.simulate_single_server(rng, runs, n, rho, fixed_service=fixed_service),
        lambda p: quantile(rho, p),
    )


CASES = (
    Case(
        "independent, exponential",
        5_000,
        lambda rng, runs, n: rng.exponential(1.0, (runs, n)),
        lambda p: -math.log(1 - p),
    ),
    Case(
        "autoregressive, 0.9",
        20_000,
        lambda rng, runs, count: SHIFT + queueing.simulate_ar1(rng, runs, count),
        lambda p: SHIFT + float(norm.ppf(p)),
    ),
    _queue("M/M/1", 20_000, 0.5, fixed_service=False),
    _queue("M/M/1", 20_000, 0.8, fixed_service=False),
    _queue("M/M/1", 100_000, 0.8, fixed_service=False),
    _queue("M/D/1", 20_000, 0.8, fixed_service=True),
    _queue("M/M/1", 4_000, 0.9, fixed_service=False),
    _queue("M/M/1", 20_000, 0.9, fixed_service=False),
    _queue("M/M/1", 200_000, 0.9, fixed_service=False),
)


@dataclass(frozen=True)
class Line:
    """What came out for one case and percentile; shares of 1, width relative to the truth."""

    case: Case
    p: float
    given: float
    covers: float
    width: float
    usual_covers: float


def measure(case: Case, runs: int, seed: int = 2024) -> Iterator[Line]:
    """One line per percentile in SHOWN, over `runs` independent simulations."""
    rng = np.random.default_rng(seed)
    found = {p: [] for p in SHOWN}
    for first in range(0, runs, CHUNK):
        for values in case.simulate(rng, min(CHUNK, runs - first), case.count):
            durations = Durations(values, np.zeros(values.size, dtype=bool))
            for ours in percentiles([durations], PERCENTILES, NO_RUN_NOISE):
                if ours.p in SHOWN:
                    reach = Z_95 * math.sqrt(ours.p * (1 - ours.p) / values.size)
                    usual = [quantile(durations.ordered_ns, ours.p + side * reach) for side in (-1, 1)]
                    found[ours.p].append((ours.low, ours.high, *usual))
    for p, intervals in found.items():
        yield _line(case, p, intervals)


def _line(case: Case, p: float, intervals: list[tuple]) -> Line:
    truth = case.truth(p)
    given = [(low, high) for low, high, _, _ in intervals if high is not None]
    return Line(
        case,
        p,
        given=len(given) / len(intervals),
        covers=float(np.mean([low <= truth <= high for low, high in given])) if given else math.nan,
        width=float(np.median([high - low for low, high in given])) / abs(truth or 1.0) if given else math.nan,
        usual_covers=float(np.mean([low <= truth <= high for _, _, low, high in intervals])),
    )


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args(arguments).runs
    print(f"{runs} simulated runs per case; nominal coverage 95 %\n")
    print("| process | requests | percentile | given | covers | width | independent-samples interval covers |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        for line in measure(case, runs):
            covers = "-" if math.isnan(line.covers) else f"{line.covers:.1%}"
            width = "-" if math.isnan(line.width) else f"{line.width:.0%}"
            print(
                f"| {case.name} | {case.count:,} | p{100 * line.p:g} | {line.given:.0%} | {covers} | {width} "
                f"| {line.usual_covers:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
