"""How soon `tune` finds the best setting, beside other methods: replays on synthetic servers and recorded grids.

`python -m tests.benchmarks.bench_tune [SEEDS [cpu|tokens]]` prints the tables of RESULTS.md; one core, a minute a seed.
Every method pays for each trial and each restart of the server, and sees the same noise. A method other than `tune`
measures a setting at the loads of a ladder, from the load of its best setting so far; `tune` also pays for its final.
Share: true capacity of the named setting, of the best setting's.
"""

import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from tune_replay import UNDECIDED, true_log_rate, tune
from tune_spaces import LEVELS, CpuServer, Replay, TokenServer, true_capacities

FIRST = LEVELS.index(32)
LEAST_GAIN = 0.03
LADDER = 5  # trials of one setting at most


@dataclass
class Prober:
    """Measures settings for a method, and keeps the path: (seconds, settings tried, best setting so far)."""

    replay: Replay
    budget_s: float
    level: int = FIRST
    known: dict[int, float] = field(default_factory=dict)
    path: list[tuple[float, int, int | None]] = field(default_factory=list)

    @property
    def over(self):
        return self.replay.seconds >= self.budget_s

    @property
    def best(self):
        good = {number: value for number, value in self.known.items() if value > -np.inf}
        return max(good, key=good.get, default=None)

    def value(self, number):
        """The log of the greatest rate that kept the limit; minus infinity where it fails or never does."""
        if number in self.known or self.over:
            return self.known.get(number, -np.inf)
        found: dict[int, float] = {}
        level, best = self.level, -np.inf
        for _ in range(LADDER):
            seen = None if level in found else self.replay.trial(number, level)
            if seen is None:
                break
            rate, tail = seen
            keeps = tail < UNDECIDED
            found[level] = rate if keeps else -np.inf
            if not keeps:
                level -= 1 if best > -np.inf else 2
            elif rate > best + LEAST_GAIN:
                level += 1
            best = max(best, found[max(found, key=found.get)])
            if not 0 <= level < len(LEVELS):
                break
        self.known[number] = best
        if self.best == number:
            self.level = max(found, key=found.get)
        self.path.append((self.replay.seconds, len(self.replay.tried), self.best))
        return best


def random_search(prober, rng):
    prober.value(0)
    for number in rng.permutation(len(prober.replay.space)):
        if prober.over:
            return
        prober.value(int(number))


def one_factor(prober, rng):
    """One factor at a time from the default, again and again; then from a random setting."""
    start = 0
    while not prober.over:
        climb(prober, start, lambda code: of_one_factor(prober.replay.space, code, rng), batch=True)
        start = int(rng.integers(len(prober.replay.space)))


def hill_climbing(prober, rng):
    """To a better neighbour (a number one step on, another category), as long as there is one; then from elsewhere."""
    start = 0
    while not prober.over:
        climb(prober, start, lambda code: [neighbours(prober.replay.space, code, rng)], batch=False)
        start = int(rng.integers(len(prober.replay.space)))


def climb(prober, start, groups, *, batch):
    """Go to the best of a group (`batch`), or to the first that is better, until no group has a better one."""
    current, value = start, prober.value(start)
    moved = True
    while moved and not prober.over:
        moved = False
        for group in groups(current):
            better = []
            for other in group:
                if prober.over:
                    return
                if prober.value(other) > value:
                    better.append(other)
                    if not batch:
                        break
            if better:
                current = max(better, key=prober.value)
                value, moved = prober.value(current), True


def of_one_factor(space, number, rng):
    """For each knob, in random order, the settings that differ in it alone (from the setting the climb is at then)."""
    for index in rng.permutation(len(space.dimensions)):
        differ = space.codes != space.codes[number]
        yield [int(other) for other in np.flatnonzero(differ[:, index] & (differ.sum(axis=1) == 1))]


def neighbours(space, number, rng):
    differ = space.codes != space.codes[number]
    found = []
    for other in np.flatnonzero(differ.sum(axis=1) == 1):
        index = int(np.flatnonzero(differ[other])[0])
        step = abs(int(space.codes[other, index] - space.codes[number, index]))
        if space.dimensions[index].places is None or step == 1:
            found.append(int(other))
    return [found[at] for at in rng.permutation(len(found))]


def optuna_tpe(prober, rng):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = prober.replay.space
    places = {tuple(code): number for number, code in enumerate(space.codes.tolist())}
    sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)), multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({each.name: text(each, each.default) for each in space.dimensions})
    for _ in itertools.repeat(None, 4 * len(space)):
        if prober.over:
            return
        trial = study.ask()
        code = tuple(suggest(trial, dimension) for dimension in space.dimensions)
        value = prober.value(places[code]) if code in places else -np.inf
        state = optuna.trial.TrialState.FAIL if value == -np.inf else None
        study.tell(trial, None if state else value, state=state)


def text(dimension, index):
    return index if dimension.places is not None else str(dimension.values[index])


def suggest(trial, dimension):
    if dimension.places is not None:
        return trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
    names = [str(value) for value in dimension.values]
    return names.index(trial.suggest_categorical(dimension.name, names))


METHODS = {
    "random": random_search,
    "one factor at a time": one_factor,
    "hill climbing": hill_climbing,
    "Optuna TPE": optuna_tpe,
}


def at_budget(path, budget_s):
    """(setting that was ahead, settings tried) when the budget was spent."""
    within = [step for step in path if step[0] <= budget_s]
    return (within[-1][2], within[-1][1]) if within else (None, 0)


def share_of(capacity, number):
    return 0.0 if number is None else capacity[number] / capacity.max()


def replay_all(served, budgets_s, seeds):
    """By method and budget: shares (seeds,), and parts of the grid that were tried; coverage of tune's intervals."""
    space = served.space()
    capacity = true_capacities(served, space)
    found = {(name, budget_s): [] for name in ("tune", *METHODS) for budget_s in budgets_s}
    covered = []
    for seed in range(seeds):
        for name, method in METHODS.items():
            prober = Prober(Replay(served, space, seed), max(budgets_s))
            method(prober, np.random.default_rng((seed, 5)))
            for budget_s in budgets_s:
                best, tried = at_budget(prober.path, budget_s)
                found[name, budget_s].append((share_of(capacity, best), tried / len(space)))
        for budget_s in budgets_s:
            tuned = tune(Replay(served, space, seed), budget_s)
            named = tuned.best and tuned.best[0]
            found["tune", budget_s].append((share_of(capacity, named), len(tuned.replay.tried) / len(space)))
            if tuned.best is not None and tuned.figure is not None:
                truth = np.exp(true_log_rate(served, space, tuned.best))
                covered.append(tuned.figure.low <= truth <= tuned.figure.high)
    return found, covered, capacity[0] / capacity.max(), len(space)


def table(name, served, budgets_s, seeds):
    found, covered, default, size = replay_all(served, budgets_s, seeds)
    print(f"\n{name}: {size} settings, a trial {served.trial_s:g} s, a restart {served.restart_s:g} s; the default has "
          f"{default:.2f} of the best; {seeds} seeds. Median / 10th percentile of the share; runs with 95 % or more; "
          f"part of the grid tried (mean).\n")  # fmt: skip
    print("| seconds | " + " | ".join(("tune", *METHODS)) + " |")
    print("|--:|" + ":-:|" * (1 + len(METHODS)))
    for budget_s in budgets_s:
        cells = []
        for method in ("tune", *METHODS):
            shares, parts = np.array(found[method, budget_s]).T
            cells.append(
                f"{np.median(shares):.2f} / {np.quantile(shares, 0.1):.2f}; {100 * (shares >= 0.95).mean():.0f} %; "
                f"{100 * parts.mean():.1f} %"
            )
        print(f"| {budget_s:g} | " + " | ".join(cells) + " |")
    print(f"\nThe published 95 % interval holds the true rate of the named point in {100 * np.mean(covered):.0f} % of "
          f"{len(covered)} runs.", flush=True)  # fmt: skip


TABLES = {
    "cpu": ("Classifier on 4 cores", CpuServer, (150, 300, 600, 1200, 2400)),
    "tokens": ("Language model", TokenServer, (600, 1200, 2400, 4800, 7200)),
}


def main(seeds="20", *names):
    for name in names or TABLES:
        title, served, budgets_s = TABLES[name]
        table(title, served(), budgets_s, int(seeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
