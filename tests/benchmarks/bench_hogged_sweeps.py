"""How often does a default sweep name a setting within 5 % of the best, with and without a CPU hog beside it?

    python -m tests.benchmarks.bench_hogged_sweeps [--runs 20] [--budget 3m] [--out results/hogged] [--grid]

First a long grid is measured, alone (`--truth-seconds` x `--truth-repeats` of each point): its best point is the truth.
Then sweeps within the budget run, with the hog and without it in turn. The hog keeps one core busy for 5 s, is silent
for 10 s, and ends with its sweep. With --grid a grid of 2 s x 2 repeats runs beside each, as the rule before the budget
had it. After each pair the best point is measured again, alone, since a machine that is shared does not stay the same
for hours: the truth of that point is the mean of its trials over the whole time, and beside it their median, which
minutes of a slow host do not move. Each result is kept in --out as soon as it is there: started again, the same command
goes on where it was.

Leave the machine alone meanwhile: 40 sweeps of 3 minutes take two hours, the truth 25 minutes more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NEAR = 0.95  # of the best
HOG = """
import os, sys, time
end, parent = time.monotonic() + float(sys.argv[1]), os.getppid()
while time.monotonic() < end and os.getppid() == parent:
    busy = time.monotonic() + 5.0
    while time.monotonic() < busy:
        pass
    time.sleep(10.0)
"""
LONGEST_S = 1800.0
Key = tuple[str, int | None]


@dataclass(frozen=True)
class Truth:
    """Throughput of every point that keeps the limit, by setting and users."""

    rates_rps: dict[Key, float]

    @property
    def best(self) -> Key:
        return max(self.rates_rps, key=self.rates_rps.__getitem__)

    @property
    def best_rps(self) -> float:
        return max(self.rates_rps.values())

    @classmethod
    def of(cls, result: dict[str, Any]) -> Truth:
        points = [point for point in result["points"] if point["meets_slo"] is not False]
        return cls({key_of(point): point["throughput_rps"]["value"] for point in points})

    def over_time(self, rates_rps: Sequence[float], average: Callable[[Sequence[float]], float]) -> Truth:
        """The same, with the average of all trials of the best point."""
        return Truth({**self.rates_rps, self.best: average(rates_rps)})


def trial_rates(points: Sequence[dict[str, Any]]) -> list[float]:
    return [trial["throughput_rps"]["value"] for point in points for trial in point["trials"]]


def key_of(point: dict[str, Any]) -> Key:
    return json.dumps(point["setting"], sort_keys=True), point["concurrency"]


@contextlib.contextmanager
def hog() -> Iterator[None]:
    """One busy core, 5 s of 15, as long as the block runs, at most half an hour."""
    process = subprocess.Popen([sys.executable, "-c", HOG, str(LONGEST_S)])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def measured(file: Path, command: Sequence[str], *, hogged: bool) -> dict[str, Any]:
    """The exit code and the result of a command, from `file` where it is already there."""
    if not file.exists():
        with hog() if hogged else contextlib.nullcontext():
            done = subprocess.run(
                [sys.executable, "-m", "harness", *command, "--json", "--out", str(file.with_suffix(""))],
                stdout=subprocess.PIPE,
                check=False,
            )
        if not done.stdout.strip():
            raise SystemExit(f"{' '.join(command)}: no result, exit code {done.returncode}")
        result = json.loads(done.stdout)["result"]
        whole = file.with_suffix(".part")
        whole.write_text(json.dumps({"exit_code": done.returncode, "result": result, "load": os.getloadavg()}))
        whole.rename(file)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@dataclass(frozen=True)
class Named:
    """What one sweep said: the share of the best that its point truly reaches, and whether its interval holds that."""

    exit_code: int
    reaches: float | None  # None: no point was named
    holds: bool
    sentence: str

    @classmethod
    def of(cls, found: dict[str, Any], truth: Truth) -> Named:
        result = found["result"]
        answer = result["answer"]
        points = [point for point in result["points"] if point["point"] == answer["best_point"]]
        if not points:
            return cls(found["exit_code"], None, False, answer["sentence"])
        rate = answer.get("rate_rps") or points[0]["throughput_rps"]
        true = truth.rates_rps.get(key_of(points[0]), 0.0)
        holds = (rate["low"] or 0.0) <= true <= (rate["high"] or float("inf"))
        return cls(found["exit_code"], true / truth.best_rps, holds, answer["sentence"])


def row(name: str, said: Sequence[Named]) -> str:
    named = [each for each in said if each.reaches is not None]
    near = sum(each.reaches >= NEAR for each in named if each.reaches is not None)
    return (
        f"| {name} | {len(said)} | {len(named)} | {near} | {sum(each.holds for each in named)} | "
        f"{sum(each.exit_code == 0 for each in said)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="sweeps with the hog, and as many without")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--sweep", default="batch_size", help="what is swept, as on the command line of `sweep`")
    parser.add_argument("--truth-seconds", default="5s")
    parser.add_argument("--truth-repeats", default="5")
    parser.add_argument("--out", type=Path, default=Path("results/hogged"))
    parser.add_argument("--grid", action="store_true", help="a grid of 2 s x 2 repeats beside each sweep")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    swept = ["sweep", *given.sweep.split()]
    long = ["--seconds", given.truth_seconds, "--repeats", given.truth_repeats]
    grid = measured(given.out / "truth.json", [*swept, *long], hogged=False)["result"]
    first = Truth.of(grid)
    rates_rps = trial_rates([point for point in grid["points"] if key_of(point) == first.best])
    setting, users = first.best
    words = [f"{name}={value}" for name, value in json.loads(setting).items()]
    probe = ["sweep", *words, "--concurrency", str(users), *long]
    methods = {"sweep": ["--budget", given.budget]}
    if given.grid:
        methods["grid"] = ["--seconds", "2s", "--repeats", "2"]
    found: dict[str, list[dict[str, Any]]] = {}
    for run in range(given.runs):
        for hogged in (True, False):
            for method, options in methods.items():
                name = f"{method}, {'hogged' if hogged else 'alone'}"
                file = given.out / f"{name.replace(', ', '-')}-{run:02d}.json"
                found.setdefault(name, []).append(measured(file, [*swept, *options], hogged=hogged))
        again = measured(given.out / f"truth-{run:02d}.json", probe, hogged=False)["result"]
        rates_rps += trial_rates(again["points"])
        show(found, first.over_time(rates_rps, statistics.fmean), "mean")
        show(found, first.over_time(rates_rps, statistics.median), "median")


def show(found: dict[str, list[dict[str, Any]]], truth: Truth, average: str) -> None:
    """Everything so far against what is known of the truth so far."""
    said = {name: [Named.of(each, truth) for each in several] for name, several in found.items()}
    for name, each_run in said.items():
        for run, each in enumerate(each_run):
            reaches = "nothing named" if each.reaches is None else f"{each.reaches:.1%} of the best"
            print(f"{name} {run}: exit {each.exit_code}, {reaches}, holds {each.holds}: {each.sentence}")
    print(f"\nThe best of the long run, by the {average} of its trials: {truth.best_rps:,.0f} req/s\n")
    print("| | runs | named a point | within 5 % of the best | interval holds the truth | exit 0 |")
    print("|---|---|---|---|---|---|")
    for name, each_run in said.items():
        print(row(name, each_run))
    print(flush=True)


if __name__ == "__main__":
    main()
