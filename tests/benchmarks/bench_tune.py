"""How soon `tune` finds the best setting, beside other methods: replays on servers of formulas and recorded grids.

`python -m tests.benchmarks.bench_tune FILE FIRST LAST [SPACE...]` replays seeds FIRST to LAST - 1 but those that FILE
has, appends a line for each to FILE, and prints the tables of RESULTS.md from it. A space is `cpu`, `tokens`, or a
grid in `tests/benchmarks/grids`; all of them where none is given. One core; about 10 s of CPU a seed and space.
All methods see the same noise. `tune` also pays for its final. Share: true capacity of the named setting, of the best
setting's. On a server of formulas the capacity is that at any number of users, not only at those that a search can try:
a setting that just misses the limit at one of them is not worse by a whole step of them.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads cost more than such small matrices do

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from tune_replay import true_log_rate, tune
from tune_spaces import CpuServer, Replay, TokenServer, true_capacities

from tests.benchmarks.grid_file import GridFile
from tests.benchmarks.recorded_server import RecordedServer
from tests.benchmarks.search_methods import METHODS, Prober

GRIDS = Path(__file__).parent / "grids"
SYNTHETIC = {"cpu": CpuServer, "tokens": TokenServer}
STARTS = (12, 25, 50, 100, 150)  # budgets: the time of so many starts with two trials each
STARTS_OF_GRIDS = (4, 8, 16, 32, 64)  # of recorded grids, which are smaller
NEAR_BEST = 0.95
EACH = 2  # users from one load to the next at which the capacity of a formula is looked for


@cache
def served_of(name):
    """The server of a space, its space, and the true capacity of every setting."""
    served = SYNTHETIC[name]() if name in SYNTHETIC else RecordedServer(GridFile.read(GRIDS / f"{name}.json.gz"))
    space = served.space()
    users = range(served.levels[0], served.levels[-1] + 1, EACH) if name in SYNTHETIC else served.levels
    return served, space, true_capacities(served, space, users)


def budgets_of(served):
    several = STARTS_OF_GRIDS if isinstance(served, RecordedServer) else STARTS
    return [starts * (2.0 * served.trial_s + served.restart_s) for starts in several]


def replayed(name, seed):
    """By method, for each budget: [setting named, settings tried]; whether each interval of `tune` is right."""
    served, space, _ = served_of(name)
    budgets_s, found = budgets_of(served), {}
    for method, search in METHODS.items():
        prober = Prober(Replay(served, space, seed), max(budgets_s))
        search(prober, np.random.default_rng((seed, 5)))
        found[method] = [at_budget(prober.path, budget_s) for budget_s in budgets_s]
    found["tune"], covered = [], []
    for budget_s in budgets_s:
        tuned = tune(Replay(served, space, seed), budget_s)
        found["tune"].append([None if tuned.best is None else tuned.best[0], len(tuned.replay.tried)])
        if tuned.best is not None and tuned.figure is not None:
            truth = np.exp(true_log_rate(served, space, tuned.best))
            covered.append(bool(tuned.figure.low <= truth <= tuned.figure.high))
    return {"space": name, "seed": seed, "methods": found, "covered": covered}


def at_budget(path, budget_s):
    """[setting that was ahead, settings tried] when the budget was spent."""
    within = [step for step in path if step[0] <= budget_s]
    return [within[-1][2], within[-1][1]] if within else [None, 0]


def share_of(capacity, number):
    return 0.0 if number is None else float(capacity[number] / capacity.max())


def table(name, lines):
    served, space, capacity = served_of(name)
    within = int((capacity >= NEAR_BEST * capacity.max()).sum())
    print(f"\n{name}: {len(space)} settings, {within} within 5 % of the best; a trial {served.trial_s:g} s, a restart "
          f"{served.restart_s:g} s; trials differ by {100 * served.noise:.0f} %; the default has "
          f"{capacity[0] / capacity.max():.2f} of the best; {len(lines)} seeds, "
          f"{min(lines)} to {max(lines)}.\n")  # fmt: skip
    names = ("tune", *METHODS)
    print("| seconds | " + " | ".join(names) + " |")
    print("|--:|" + ":-:|" * len(names))
    for at, budget_s in enumerate(budgets_of(served)):
        cells = []
        for method in names:
            named, tried = zip(*(line["methods"][method][at] for line in lines.values()), strict=True)
            shares = np.array([share_of(capacity, number) for number in named])
            cells.append(
                f"{np.median(shares):.2f} / {np.quantile(shares, 0.1):.2f}; "
                f"{100 * (shares >= NEAR_BEST).mean():.0f} %; {100 * np.mean(tried) / len(space):.1f} %"
            )
        print(f"| {budget_s:.0f} | " + " | ".join(cells) + " |")
    covered = [each for line in lines.values() for each in line["covered"]]
    print(f"\nThe published 95 % interval holds the true rate of the named point in {100 * np.mean(covered):.0f} % of "
          f"{len(covered)} runs.", flush=True)  # fmt: skip


def main(file, first, last, *names):
    path, seeds = Path(file), range(int(first), int(last))
    names = names or (*SYNTHETIC, *sorted(each.name.partition(".")[0] for each in GRIDS.glob("*.json.gz")))
    known = {name: {} for name in names}
    if path.exists():
        for line in map(json.loads, path.read_text().splitlines()):
            known.get(line["space"], {})[line["seed"]] = line
    for seed in seeds:
        for name in names:
            if seed not in known[name]:
                known[name][seed] = replayed(name, seed)
                with path.open("a") as out:
                    out.write(json.dumps(known[name][seed]) + "\n")
    for name in names:
        lines = {seed: line for seed, line in sorted(known[name].items()) if seed in seeds}
        if lines:
            table(name, lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
