"""How often the gate raises a false alarm, and what it finds, by measuring real servers on this machine.

    python -m tests.benchmarks.bench_gate [--same 40] [--slower 10] [--out results/gate-trials] [--budget 60s]

same: two servers alike; the gate may call the second worse in at most 2 of 40. sleep: the second sleeps for 8 ms in
each request. work: each response of the second costs 10 % more work. Both must be found in 9 of 10. The two servers of
a comparison are measured in turn (`compare`), then `gate` judges. Each comparison that has ended is a line of
OUT/trials.jsonl: the next call goes on where the last one ended. About 25 s a comparison where nothing else runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

ROUNDS = 40
KINDS = {  # what the second server has in place of the first's
    "same": {},
    "sleep": {"sleep_ms": 8},
    "work": {"rounds": ROUNDS * 11 // 10},
}
ANSWERS = {0: "not worse", 6: "worse", 8: "cannot be said"}
LOAD = ("--concurrency", "1", "--seconds", "0.5", "--warmup", "0.1s", "--method", "GET")


@contextlib.contextmanager
def service(*, rounds=ROUNDS, sleep_ms=0):
    """The URL of a service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--port", str(port), "--rounds", str(rounds), "--sleep-ms", str(sleep_ms)]
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.worked_service", *words])
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def compared(kind, out, given):
    """What the gate said in one comparison, and the smallest change that it would have found."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    with service() as before, service(**KINDS[kind]) as after:
        harness = (sys.executable, "-m", "harness")
        words = ("--target-a", before, "--target-b", after, "--margin", str(given.margin), "--budget", given.budget)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        measured = subprocess.run([*harness, "compare", *words, *LOAD, "--out", out], check=False, **quiet)
        if measured.returncode not in (0, 4, 6, 8):
            raise SystemExit(measured.stderr[-800:])
    judged = subprocess.run([*harness, "gate", out, "--json"], capture_output=True, text=True, check=False)
    result = json.loads(judged.stdout)
    finds = [figure["finds"] for point in result["points"] for figure in point["figures"] if figure.get("finds")]
    return {
        "kind": kind,
        "code": judged.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "finds_percent": round(100 * max(finds), 1) if finds else None,
        "load_average": os.getloadavg()[0],
    }


def table(trials):
    """The counts of the answers, a line for each kind."""
    print(f"{'second server':<14} {'n':>3} {'worse':>6} {'not worse':>10} {'cannot be said':>15} {'s each':>7}")
    for kind in KINDS:
        mine = [trial for trial in trials if trial["kind"] == kind]
        if mine:
            counts = Counter(ANSWERS.get(trial["code"], str(trial["code"])) for trial in mine)
            mean_s = sum(trial["seconds"] for trial in mine) / len(mine)
            found = [counts[answer] for answer in ("worse", "not worse", "cannot be said")]
            print(f"{kind:<14} {len(mine):>3} {found[0]:>6} {found[1]:>10} {found[2]:>15} {mean_s:>7.1f}")


def main():
    """Measure what is not yet measured, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--same", type=int, default=40)
    parser.add_argument("--slower", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("results/gate-trials"))
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--margin", type=float, default=7.0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "trials.jsonl"
    trials = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    wanted = {"same": given.same, "sleep": given.slower, "work": given.slower}
    missing = Counter(wanted) - Counter(trial["kind"] for trial in trials)
    # Spread over the whole time, so that a noisy minute does not hit one kind alone.
    order = sorted((place / count, kind) for kind, count in missing.items() for place in range(count))
    for _, kind in order:
        found = compared(kind, given.out / "run", given)
        trials.append(found)
        with kept.open("a") as file:
            file.write(json.dumps(found) + "\n")
        answer = ANSWERS.get(found["code"], found["code"])
        finds = f"finds {found['finds_percent']} %" if found["finds_percent"] else ""
        print(f"{len(trials):>3} {kind:<6} {answer:<15} {found['seconds']:>5} s  {finds}", flush=True)
    table(trials)


if __name__ == "__main__":
    main()
