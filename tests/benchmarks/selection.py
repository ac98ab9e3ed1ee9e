"""How often is the setting that a sweep names the best one, and does its figure hold? Against known truth.

    python tests/benchmarks/selection.py [--runs 200] [--settings 4 16 64] [--noise 0.03 0.05 0.1]

The best setting reaches 1, the others lie evenly at random within 20 % below. Every trial differs by run noise, every
block by a level of the machine, and harmed stretches of three trials on average take 10 to 60 % off what a trial
reaches. All methods have the same seconds. Prints, per case and method: how often the setting named is within 2 % and
5 % of the best, how often its published interval covers its true value, its half-width, the seconds spent; then what
the budgeted sweep claimed against what came true.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.decision.chances import Limit
from harness.judge.decision.decision import Candidate, Status
from harness.judge.decision.trial_history import TrialOutcome
from harness.judge.significance import compare_rates
from harness.judge.stats.trial_noise import pooled_rate
from harness.run.budgeted_sweep import BudgetedSweep, SweepRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS, OVERHEAD_S = 2.0, 1.2  # as in the demo on a quiet machine: 57 trials in 180 s
BUDGETS_S = {4: 180.0, 16: 180.0, 64: 720.0}  # without restarts; with restarts of 10 s three times as much
WITHIN = math.log1p(-0.2)
STRETCH_TRIALS = 3.0
BATCHES, BATCH_NOISE = 20, 0.02
CONFIRMING = 3
Z_95 = 1.959964


@dataclass(frozen=True)
class Case:
    """What a method is tried on."""

    settings: int
    noise: float
    harmed: float = 0.0
    restart_s: float = 0.0
    drift: float = 0.03
    slot_s: float = 0.0  # the machine's level changes so often; 0: with every block

    @property
    def budget_s(self) -> float:
        return BUDGETS_S[self.settings] * (3.0 if self.restart_s else 1.0)


@dataclass(frozen=True)
class Found:
    """What a method ends with; `named` None: it has no name to give."""

    named: int | None
    low: float = 0.0
    high: float = math.inf
    spent_s: float = 0.0
    certainty: float | None = None
    near: float | None = None
    said: bool = True  # False: it adds that it cannot say yet


class Machine:
    """Settings with known levels on a machine that is not quiet."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case, self._rng = case, np.random.default_rng(seed)
        self.levels = np.log1p(-self._rng.uniform(0.0, 0.2, case.settings))
        self.levels[self._rng.integers(case.settings)] = 0.0
        self._harmed = self._rng.random() < case.harmed
        self._block, self._level, self._running = None, 0.0, None
        self.spent_s = 0.0

    def trial(self, point: int, block: object) -> tuple[float, bool, float]:
        """Log value, whether it was harmed, seconds spent."""
        case, rng = self.case, self._rng
        if case.slot_s:
            block = int(self.spent_s / case.slot_s)
        if block != self._block:
            self._block, self._level = block, rng.normal(0.0, case.drift)
        spent_s = SECONDS + OVERHEAD_S + (case.restart_s if point != self._running and case.restart_s else 0.0)
        self._running = point
        self.spent_s += spent_s
        leave = 1.0 / STRETCH_TRIALS
        enter = leave * case.harmed / (1.0 - case.harmed)
        self._harmed = rng.random() >= leave if self._harmed else rng.random() < enter
        loss = math.log1p(-rng.uniform(0.1, 0.6)) if self._harmed else 0.0
        return self.levels[point] + self._level + rng.normal(0.0, case.noise) + loss, self._harmed, spent_s

    def affords(self, trials: int = 1) -> bool:
        return self.spent_s + trials * (SECONDS + OVERHEAD_S + self.case.restart_s) <= self.case.budget_s


def budgeted_sweep(machine: Machine, seed: int) -> Found:
    case = machine.case
    starts = [number if case.restart_s else 0 for number in range(case.settings)]
    candidates = [Candidate(number, start) for number, start in enumerate(starts)]
    run = BudgetedSweep(candidates, SweepRules(case.budget_s, SECONDS, OVERHEAD_S, case.restart_s, seed))
    while (trial := run.next()) is not None:
        value, harmed, spent_s = machine.trial(trial.point, (trial.kind, trial.block))
        run.observe(trial, TrialOutcome(value, Limit.KEPT, spent_s, usable=0.0 if harmed else 1.0))
    said = run.decision()
    low, high = (math.log(said.figure.low), math.log(said.figure.high)) if said.figure else (-math.inf, math.inf)
    return Found(said.best, low, high, run.history.spent_s, said.certainty, said.near, said.status is Status.NAMED)


def grid(machine: Machine, seed: int, *, smallest: bool) -> Found:
    """Today's sweep: as many repeats as fit; a point with a harmed trial is INVALID and left out."""
    rng = np.random.default_rng(seed)
    runs: dict[int, list[np.ndarray]] = {}
    invalid: set[int] = set()
    repeats = max(
        int(machine.case.budget_s / (machine.case.settings * (SECONDS + OVERHEAD_S + machine.case.restart_s))), 1
    )
    for repeat in range(repeats):
        for point in rng.permutation(machine.case.settings):
            value, harmed, _ = machine.trial(int(point), repeat)
            invalid |= {int(point)} if harmed else set()
            batches = math.exp(value) * (1.0 + rng.normal(0.0, BATCH_NOISE, BATCHES))
            runs.setdefault(int(point), []).append(batches)
    rates = {point: pooled_rate(several) for point, several in runs.items() if point not in invalid}
    if not rates:
        return Found(None, spent_s=machine.spent_s)
    named = max(rates, key=lambda point: rates[point].value)
    if smallest:
        named = min(p for p in rates if p == named or not compare_rates(rates[p], rates[named]).different)
    rate = rates[named]
    return Found(named, math.log(rate.low or 1e-9), math.log(rate.high or 1e9), machine.spent_s)


def halving(machine: Machine, seed: int) -> Found:
    """Blocks of all survivors, of which the better half goes on; then three fresh blocks of the best two."""
    rng = np.random.default_rng(seed)
    alive = list(range(machine.case.settings))
    seen: list[tuple[int, int, float]] = []
    block = 0
    rounds = max(math.ceil(math.log2(machine.case.settings)), 1)
    cost_s = SECONDS + OVERHEAD_S + machine.case.restart_s
    search_s = machine.case.budget_s - 2 * CONFIRMING * cost_s
    for number in range(rounds):
        share_s = (search_s - machine.spent_s) / (rounds - number)
        for _ in range(max(int(share_s / (len(alive) * cost_s)), 1 if len(alive) > 2 else 0)):
            if machine.spent_s + len(alive) * cost_s > search_s and number:
                break
            seen += _block(machine, rng, alive, block)
            block += 1
        means, _ = _centred(seen, machine.case.settings)
        alive = sorted(alive, key=lambda point: -means[point])[: max(len(alive) // 2, 2)]
    fresh: list[tuple[int, int, float]] = []
    while machine.affords(len(alive)) and block < 1000:
        fresh += _block(machine, rng, alive, block)
        block += 1
    means, noise = _centred(seen + fresh, machine.case.settings)
    named = max(alive, key=lambda point: means[point])
    values = [value for point, _, value in fresh if point == named]
    if not values:
        return Found(named, spent_s=machine.spent_s)
    half = Z_95 * math.sqrt((noise**2 + machine.case.drift**2) / len(values))
    return Found(named, np.mean(values) - half, np.mean(values) + half, machine.spent_s)


def _block(
    machine: Machine, rng: np.random.Generator, alive: Sequence[int], block: int
) -> list[tuple[int, int, float]]:
    found = []
    for point in rng.permutation(alive):
        value, harmed, _ = machine.trial(int(point), block)
        if not harmed:
            found.append((int(point), block, value))
    return found


def _centred(seen: Sequence[tuple[int, int, float]], settings: int) -> tuple[np.ndarray, float]:
    """Mean of each point, blocks taken out by least squares (-inf where it has no trial), and the run noise."""
    blocks = {block: place for place, block in enumerate(dict.fromkeys(block for _, block, _ in seen))}
    design = np.zeros((len(seen), settings + len(blocks)))
    values = np.array([value for *_, value in seen])
    for row, (point, block, _) in enumerate(seen):
        design[row, point] = design[row, settings + blocks[block]] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ solution
    noise = math.sqrt(float(residuals @ residuals) / max(len(values) - int(rank), 1))
    means = solution[:settings]
    means[[point for point in range(settings) if point not in {p for p, *_ in seen}]] = -math.inf
    return means, noise


METHODS: dict[str, Callable[[Machine, int], Found]] = {
    "budgeted sweep": budgeted_sweep,
    "halving": halving,
    "grid, fastest": lambda machine, seed: grid(machine, seed, smallest=False),
    "grid, smallest tied": lambda machine, seed: grid(machine, seed, smallest=True),
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.03, 0.05, 0.1])
    parser.add_argument("--harmed", type=float, nargs="+", default=[0.0, 0.1, 0.3, 0.5])
    parser.add_argument("--restart", type=float, nargs="+", default=[0.0, 10.0])
    parser.add_argument("--drift", type=float, default=0.03)
    parser.add_argument("--slot", type=float, default=0.0)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    given = parser.parse_args()
    cases = [
        Case(settings, noise, harmed, restart_s, given.drift, given.slot)
        for settings in given.settings
        for restart_s in given.restart
        for harmed in given.harmed
        for noise in given.noise
    ]
    print("settings  noise  harmed  restart  budget | method: within 2 % / 5 %, covers, half-width, seconds, not said")
    claims: list[tuple[float, float, bool, bool]] = []
    for case in cases:
        for name in given.methods:
            results = [_tried(case, METHODS[name], given.seed * 100_000 + run) for run in range(given.runs)]
            print(_row(case, name, results), flush=True)
            claims += [
                (found.certainty, found.near or 0.0, gap >= math.log(0.98), gap >= math.log(0.95))
                for found, gap, _ in results
                if found.certainty is not None and found.named is not None
            ]
    _reliability("within 2 %", [(claim, true) for claim, _, true, _ in claims])
    _reliability("within 5 %", [(claim, true) for _, claim, _, true in claims])


def _tried(case: Case, method: Callable[[Machine, int], Found], seed: int) -> tuple[Found, float, bool]:
    """What was found, how far below the best the named one is (log), whether its interval holds the truth."""
    machine = Machine(case, seed)
    found = method(machine, seed)
    if found.named is None:
        return found, -math.inf, False
    truth = float(machine.levels[found.named])
    return found, truth, found.low <= truth <= found.high


def _row(case: Case, name: str, results: Sequence[tuple[Found, float, bool]]) -> str:
    said = [(found, gap, holds) for found, gap, holds in results if found.named is not None and found.said]
    near = [np.mean([gap >= math.log1p(-share) for _, gap, _ in results]) for share in (0.02, 0.05)]
    holds = np.mean([holds for *_, holds in said]) if said else math.nan
    half = np.median([(found.high - found.low) / 2 for found, *_ in said]) if said else math.nan
    spent_s = np.mean([found.spent_s for found, *_ in results])
    claimed = [found for found, *_ in results if found.certainty is not None]
    claims = ""
    if claimed:
        means = [np.mean([getattr(found, name) for found in claimed]) for name in ("certainty", "near")]
        claims = f"  claims {means[0]:.2f}/{means[1]:.2f}"
    return (
        f"{case.settings:8d}  {case.noise:5.0%}  {case.harmed:6.0%}  {case.restart_s:7.0f}  {case.budget_s:6.0f} | "
        f"{name:20s} {near[0]:.2f}/{near[1]:.2f}  {holds:.2f}  {half:5.1%}  {spent_s:5.0f}  "
        f"{1 - len(said) / len(results):.2f}{claims}"
    )


def _reliability(title: str, claims: Sequence[tuple[float, bool]]) -> None:
    if not claims:
        return
    print(f"\n{title}: claimed, came true, sweeps")
    edges = [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.001]
    for low, high in itertools.pairwise(edges):
        inside = [(claim, true) for claim, true in claims if low <= claim < high]
        if inside:
            print(f"  {np.mean([c for c, _ in inside]):.2f}  {np.mean([t for _, t in inside]):.2f}  {len(inside)}")
    claimed, true = np.mean(claims, axis=0)
    print(f"  all {claimed:.3f}  {true:.3f}  {len(claims)}")


if __name__ == "__main__":
    main()
