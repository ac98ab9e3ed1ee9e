"""Does a forked load process measure what a new one does, and what does a trial take beside its measured time?

    python tests/benchmarks/bench_forks.py [--pairs 8]

Trials of the server without a model (`null`), one in a new process and one in a fork in turns, in one session. The
figures of the two are compared in pairs; CPU times and differences of pairs withstand other work on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from harness.files import decode
from harness.judge.point_summary import summarise_point  # noqa: F401  (imported before the first trial, as in a run)
from harness.measure.forks.fork_server import TrialForks
from harness.measure.target.session import open_session
from harness.measure.trial import TrialJob, run_trial
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.load_report import LoadReport
from harness.record.run_dir import RunDir
from harness.system.cpu_cores import plan_isolation

WARMUP_S, MEASURE_S = 0.5, 1.5


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8)
    pairs = parser.parse_args().pairs
    point = Point(number=0, setting={}, arrivals=Closed(users=16))
    plan = Plan(
        target="null", scenario="scenarios/predict.py", model="digits-mlp", points=(point,),
        trials=tuple(Trial(number=number, point=0, repeat=number, seed=7) for number in range(2 * pairs)),
        load=LoadSettings(warmup_s=WARMUP_S, measure_s=MEASURE_S),
    )  # fmt: skip
    isolation = plan_isolation()
    forks = TrialForks(isolation.load_cores)
    session = open_session(plan, isolation, lambda *_: None)
    figures: dict[str, list[dict[str, float]]] = {"new process": [], "fork": []}
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir.create(Path(folder) / "run")
        try:
            for trial in plan.trials:
                kind = ("new process", "fork")[trial.number % 2]
                place = run.trial(trial, point)
                began = time.monotonic()
                run_trial(TrialJob(plan, trial, point, session, isolation, place,
                                   forks=forks if kind == "fork" else None))  # fmt: skip
                spent_s = time.monotonic() - began
                if trial.number < 2:
                    continue  # the target's start is in the first
                report = decode((place.path / "load.json").read_bytes(), LoadReport)
                assert report.health is not None
                counts = sorted(report.response_times.items())
                half, seen, middle = sum(report.response_times.values()) / 2, 0, 0
                for bucket, number in counts:
                    seen += number
                    middle = bucket if seen < half else middle
                figures[kind].append({
                    "requests": report.sent,
                    "CPU of the load, us a request": report.health.cpu_ns / 1e3 / max(1, sum(dict(counts).values())),
                    "median bucket of response time (1 % each)": middle,
                    "wall beside warm-up and measuring, s": spent_s - WARMUP_S - MEASURE_S,
                })  # fmt: skip
        finally:
            session.close()
            forks.close()
    print(f"{len(figures['fork'])} pairs; median of each, and of the differences within pairs with their range")
    for name in figures["fork"][0]:
        new, fork = ([each[name] for each in figures[kind]] for kind in figures)
        apart = [b - a for a, b in zip(new, fork, strict=True)]
        print(f"| {name} | {statistics.median(new):.4g} | {statistics.median(fork):.4g} | "
              f"{statistics.median(apart):+.3g} ({min(apart):+.3g} to {max(apart):+.3g}) |")  # fmt: skip


if __name__ == "__main__":
    main()
