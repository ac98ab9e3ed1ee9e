"""What does a report of very many rows cost? Rows are made up, and go the way of measured ones.

    python tests/benchmarks/bench_rows.py [--rows 10000000] [--folder FOLDER]

A run of two seconds is measured; then the rows of its trial are replaced by made-up ones at 100,000 requests/s, through
the recorder of a load process and the compression after a trial. `harness report` of that folder is timed, in CPU time
(the machine may be shared) and peak memory. Printed too: what recording costs a row, in the load's own steps.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from harness.files import decode, pretty, write_whole
from harness.measure.load.ledger import DERIVED
from harness.record.load_report import LoadReport
from harness.record.recorder import Recorder
from harness.record.rows import ABSENT, NOTED, Outcome, Phase
from harness.record.run_dir import RunDir

HARNESS = [sys.executable, "-m", "harness"]
RATE_RPS = 100_000
STEP = 4096  # rows that are written at once, as by a load process
FAILED = 0.001
GOOD, BAD = int(Outcome.OK), int(Outcome.WRONG)


def made_up(count: int, start_ns: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows of an open loop: Poisson arrivals, and response times that come in slow and fast spells."""
    due_ns = start_ns + np.cumsum(rng.exponential(1e9 / RATE_RPS, count)).astype(np.int64)
    spell = np.repeat(rng.gamma(20, 0.05, count // 1000 + 1), 1000)[:count]
    response_ns = (rng.gamma(4, 500_000, count) * spell).astype(np.int64) + 200_000
    bad = rng.random(count) < FAILED
    return {
        "due_ns": due_ns,
        "sent_ns": due_ns + 20_000,
        "first_byte_ns": due_ns + response_ns - 1000,
        "done_ns": due_ns + response_ns,
        "request_bytes": np.full(count, 700),
        "response_bytes": np.full(count, 200),
        "user": rng.integers(0, 256, count),
        "payload": rng.integers(0, 64, count),
        "predicted": np.full(count, ABSENT),
        "status": np.full(count, 200),
        "outcome": np.where(bad, BAD, GOOD),
        "checked": np.ones(count, np.int64),
    }


def replace_rows(folder: Path, count: int) -> tuple[float, float]:
    """Replace the rows of the run's only trial; CPU seconds of adding and of writing them."""
    run = RunDir.open(folder, "--folder")
    plan = run.read().plan
    trial = plan.trials[0]
    place = run.trial(trial, plan.point(trial.point))
    report = decode((place.path / "load.json").read_bytes(), LoadReport)
    seconds = count / RATE_RPS
    start_ns = report.measure_start_ns or report.start_ns
    (place.path / "requests.parquet").unlink()
    recorder = Recorder(place.path / "requests.arrow", noted=NOTED)
    recorder.open()
    rng = np.random.default_rng(1)
    spent_s = {"add": 0.0, "write": 0.0}
    failed = 0
    for first in range(0, count, STEP):
        columns = made_up(STEP, start_ns + round(first / RATE_RPS * 1e9), rng)
        failed += int((columns["outcome"] == BAD).sum())
        values = list(zip(*(columns[name].tolist() for name in NOTED), strict=True))
        began = time.process_time()
        for row in values:
            recorder.add(row)
        spent_s["add"] += time.process_time() - began
        began = time.process_time()
        rows = recorder.take(DERIVED)
        rows["request"] = np.arange(first, first + rows.size)
        rows["worker"], rows["request_class"], rows["label"] = 0, 0, 1
        rows["phase"] = int(Phase.MEASURE)
        recorder.write(rows)
        spent_s["write"] += time.process_time() - began
    recorder.close()
    end_ns = start_ns + round(seconds * 1e9)
    write_whole(
        place.path / "load.json",
        pretty(
            msgspec.structs.replace(
                report, measure_start_ns=start_ns, measure_end_ns=end_ns, drain_end_ns=end_ns + 10**9, scheduled=count,
                sent=count, ok=count - failed, wrong=failed, rows_written=count, checked=count, not_sent=0, error=0,
                timeout=0, rejected=0, aborted=0,
            )
        ),
    )  # fmt: skip
    load = msgspec.structs.replace(plan.load, measure_s=seconds)
    run.write(msgspec.structs.replace(run.read(), plan=msgspec.structs.replace(plan, load=load)))
    began = time.process_time()
    place.to_parquet()
    print(f"to Parquet: {time.process_time() - began:.1f} s of CPU")
    record = place.read()
    assert record is not None
    place.write(record)
    return spent_s["add"], spent_s["write"]


def main() -> None:
    """Measure, and print a line of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the run is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "run"
        words = ["run", "--target", "null", "--arrivals", "poisson", "--rate", "200", "--seconds", "2s"]
        subprocess.run([*HARNESS, *words, "--out", str(folder)], check=False, capture_output=True)
        add_s, write_s = replace_rows(folder, options.rows)
        print(
            f"recording: {add_s / options.rows * 1e9:.0f} ns a row to add, {write_s / options.rows * 1e9:.0f} ns to "
            f"write: {(add_s + write_s) / options.rows * RATE_RPS:.1%} of a core at {RATE_RPS:,} requests/s"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        done = subprocess.run([*HARNESS, "report", str(folder)], check=False, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(done.stdout[-1500:], done.stderr[-500:])
        print(
            f"report of {options.rows:,} rows: {cpu_s:.1f} s of CPU, {time.monotonic() - began:.1f} s, "
            f"at most {after.ru_maxrss / 2**20:.2f} GB (of this and the run before)"
        )


if __name__ == "__main__":
    main()
