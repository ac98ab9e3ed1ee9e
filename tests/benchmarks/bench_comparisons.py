"""How often comparisons raise a false alarm, and what they find, on servers whose truth is known.

    python -m tests.benchmarks.bench_comparisons [folders|blocks] [--runs 100] [--seed 2026]

folders: two runs of sixteen points, one after the other, nothing changed (or everything slower), at run noises of 3, 5
and 10 %; the second run on a machine whose level is another by a log-normal drift. How often does
`compare BEFORE AFTER` end with exit code 6?

blocks: two variants in blocks A B, B A on a machine that drifts by 10 % over all of them and wanders besides. How often
is the second called worse where it is the same, and where it is slower by 5, 10 and 20 %? How many blocks did it take?
"""

from __future__ import annotations

import argparse
import math

import msgspec
import numpy as np

from harness.judge.conclusions.paired_comparison import compare_variants, pairs_needed
from harness.judge.conclusions.run_comparison import DRIFT, TwoTimes
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Latency, Quantile, TrialMetrics
from harness.judge.significance import Change, judged_together
from harness.judge.stats.percentile_intervals import percentiles
from harness.judge.stats.trial_noise import pooled_rate
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.paired_plan import block_of_trials, paired_plan
from harness.plan.plan import Plan, Point
from harness.run.paired_run import FIRST_BLOCKS
from tests.benchmarks.bench_coverage_of_decisions import CLOSED, Noises, Process, Run, sweep_of
from tests.examples.answers_of import trial_of

MARGIN = 0.05
NOISES = (0.03, 0.05, 0.10)
BLOCK_S = 10.0


def figures(sweep: list[list[Run]]) -> list[tuple[Interval, Interval | None]]:
    """Throughput and p99 of each point, as a run publishes them."""
    noises = Noises.of(sweep)
    found = []
    for runs in sweep:
        rate = pooled_rate([run.rates for run in runs], noises.rate)
        (p99,) = percentiles([run.durations for run in runs], (0.99,), noises.duration)
        known = p99.value is not None and p99.high is not None
        found.append((rate, Interval(p99.value, p99.low, p99.high) if known else None))
    return found


def slower(sweep: list[list[Run]], drift: float, factor: float, points: int) -> list[list[Run]]:
    """The whole sweep slower by `drift`, a logarithm, and its first points so many times as slow besides."""
    factors = [math.exp(drift) * (factor if number < points else 1.0) for number in range(len(sweep))]
    return [
        [Run(run.process, run.index, run.slower * each) for run in runs]
        for runs, each in zip(sweep, factors, strict=True)
    ]


CASES = {  # standard deviation of the drift, times as slow, points
    "same": (0.0, 1.0, 0),
    "drift of 3 %": (0.03, 1.0, 0),
    "of 10 %": (0.1, 1.0, 0),
    "20 % slower": (0.0, 1.2, 16),
    "50 % slower": (0.0, 1.5, 16),
    "2 points 20 % slower": (0.0, 1.2, 2),
    "2 points 50 % slower, drift of 10 %": (0.1, 1.5, 2),
}


def folders(rng: np.random.Generator, runs: int) -> None:
    """The table of two runs, one after the other."""
    processes = [Process.of(simulate, rng) for simulate in CLOSED[:4]]
    print(f"| repeats | run noise | {' | '.join(CASES)} |\n|{'---|' * (2 + len(CASES))}")
    for repeats in (1, 2, 3):
        for sigma in NOISES:
            alarms = dict.fromkeys(CASES, 0)
            for _ in range(runs):
                points = processes * 4
                before = figures(sweep_of(points, rng, repeats, sigma))
                fresh = sweep_of(points, rng, repeats, sigma)
                for name, (drift, factor, count) in CASES.items():
                    after = figures(slower(fresh, drift * rng.standard_normal(), factor, count))
                    evidence = []
                    for side, higher in ((0, True), (1, False)):
                        known = [(one[side], other[side]) for one, other in zip(before, after, strict=True)]
                        pairs = [(one, other) for one, other in known if one and other]
                        ratios = [math.log(other.value / one.value) for one, other in pairs]
                        times = TwoTimes.of(ratios, MARGIN, DRIFT)
                        evidence += [times.evidence(*pair, higher_is_better=higher) for pair in pairs]
                    changes = {each.change for each in judged_together(evidence)}
                    alarms[name] += Change.REGRESSION in changes
            shares = " | ".join(f"{count / runs:.0%}" for count in alarms.values())
            print(f"| {repeats} | {sigma:.0%} | {shares} |", flush=True)


def trial(number: int, rate: float, p99: float) -> TrialMetrics:
    quantiles = tuple(
        Quantile(p=p, value_ms=value, low_ms=None, high_ms=None) for p, value in ((0.5, 8e3 / rate), (0.99, p99))
    )
    return msgspec.structs.replace(
        trial_of(rate, 0.02 * rate),
        trial=number,
        seconds=2.0,
        counts=Counts(scheduled=2000, sent=2000, ok=2000),
        response=Latency(count=2000, mean_ms=8e3 / rate, max_ms=p99, quantiles=quantiles),
    )


def one_comparison(rng: np.random.Generator, noise: float, factor: float, budget: int) -> tuple[Change, int]:
    """What is said at the end, and after how many blocks."""
    one = Plan(
        target="batched",
        scenario="scenarios/predict.py",
        points=(Point(number=0, setting={}, arrivals=Closed(users=8)),),
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
    )
    plan = paired_plan(one, one, margin=MARGIN, budget_s=BLOCK_S * budget)
    walk, trials, wanted, blocks = 0.0, [], FIRST_BLOCKS, 0
    while blocks < budget and (blocks < wanted or blocks < (wanted := pairs_needed(plan, trials))):
        added = block_of_trials(plan, blocks)
        plan = msgspec.structs.replace(plan, trials=(*plan.trials, *added))
        for each in added:
            walk += rng.normal(0.0, 0.01)
            level = walk - 0.1 * len(trials) / (2 * budget)
            rate = 1000.0 * math.exp(level + rng.normal(0.0, noise)) / (factor if each.point % 2 else 1.0)
            trials.append(trial(each.number, rate, 16e3 / rate * math.exp(rng.normal(0.0, 0.05))))
        blocks += 1
    return compare_variants(plan, trials).change, blocks


def in_blocks(rng: np.random.Generator, runs: int) -> None:
    """The table of two variants, measured in turn."""
    print("| run noise | blocks at most | same: worse | not worse | 5 % slower: worse | 10 % | 20 % | blocks |")
    print("|---|---|---|---|---|---|---|---|")
    for noise in (0.01, 0.02, *NOISES):
        for budget in (18, 60):
            said = {
                factor: [one_comparison(rng, noise, factor, budget) for _ in range(runs)]
                for factor in (1.0, 1.05, 1.1, 1.2)
            }
            worse = {
                factor: np.mean([change is Change.REGRESSION for change, _ in each]) for factor, each in said.items()
            }
            fine = np.mean([change not in (Change.REGRESSION, Change.INCONCLUSIVE) for change, _ in said[1.0]])
            taken = np.median([blocks for each in said.values() for _, blocks in each])
            print(
                f"| {noise:.0%} | {budget} | {worse[1.0]:.1%} | {fine:.0%} | {worse[1.05]:.0%} | {worse[1.1]:.0%} | "
                f"{worse[1.2]:.0%} | {taken:.0f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("folders", "blocks"))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    if given.what != "blocks":
        folders(np.random.default_rng(given.seed), given.runs)
    if given.what != "folders":
        in_blocks(np.random.default_rng(given.seed), given.runs)


if __name__ == "__main__":
    main()
