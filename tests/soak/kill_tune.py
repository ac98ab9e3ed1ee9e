"""Kills a search with -9 at ten random moments, resumes it each time, and looks for what was lost, repeated or left.

Every second kill comes within some seconds of the start, the others within some seconds of a first finished trial.
`python -m tests.soak.kill_tune [KILLS [SEED]]`, some minutes; exit code 1 where something was. The server is the
one of `tests/e2e/test_tune.py`, with settings that cannot be started.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.test_tune import RECIPE, SERVER, SHORT, alive, records

ROOT = Path(__file__).parents[2]
BUDGET_S = 150
GONE_WITHIN_S = 15.0
MOST_WAIT_S = 60.0  # for a trial


def command(server, out):
    if (out / "run.json").exists():
        return ["--resume", str(out)]
    given = ("--target", str(server / "recipe.toml"), "--bank", str(server / "payloads.jsonl"), "--out", str(out))
    return [*given, *SHORT, "--budget", f"{BUDGET_S}s", "--slo", "p99<2s"]


def tune(server, out, kill_after_s=None, *, wait_for_a_trial=False):
    """Run until the end, or kill it; returns the exit code, None where it was killed."""
    argv, before = [sys.executable, "-m", "harness", "tune", *command(server, out)], len(finished(out))
    with (server / "log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
    end = time.monotonic() + MOST_WAIT_S
    while wait_for_a_trial and process.poll() is None and len(finished(out)) == before and time.monotonic() < end:
        time.sleep(0.1)
    try:
        return process.wait(kill_after_s or 4.0 * BUDGET_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return None


def left(server):
    """The processes of the server that still run, some seconds after."""
    starts = server / "starts.txt"
    pids = [int(line.split()[0]) for line in starts.read_text().splitlines()] if starts.exists() else []
    end = time.monotonic() + GONE_WITHIN_S
    while (running := [pid for pid in pids if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.2)
    return running


def finished(out):
    return {each["trial"]["number"]: each for each in records(out) if each["finished"]}


def main(kills="10", seed="1"):
    rng, faults, before, killed, code = random.Random(int(seed)), [], {}, 0, None
    with tempfile.TemporaryDirectory() as folder:
        server = Path(folder)
        (server / "recipe.toml").write_text(RECIPE)
        (server / "server.py").write_text(SERVER)
        (server / "payloads.jsonl").write_text('{"x": [1, 2]}\n')
        out = server / "run"
        while code is None:
            after_s = rng.uniform(1.0, 12.0) if killed < int(kills) else None
            code = tune(server, out, after_s, wait_for_a_trial=killed % 2 == 1 and after_s is not None)
            killed += code is None
            now = finished(out)
            lost = [number for number, record in before.items() if now.get(number) != record]
            faults += [f"after kill {killed}: trials {lost} changed"] * bool(lost)
            running = left(server)
            faults += [f"after kill {killed}: processes {running} run on"] * bool(running)
            print(
                f"kill {killed}: {len(before)} -> {len(now)} finished trials, {len(running)} left running", flush=True
            )
            before = now
        plan = json.loads((out / "run.json").read_text())["plan"]
        numbers = [each["trial"]["number"] for each in records(out)]
        if numbers != list(range(len(plan["trials"]))):
            faults.append(f"trials {numbers} are not those of the plan, {len(plan['trials'])}")
        spent_s = sum(each["spent_seconds"] or 0.0 for each in records(out))
        print(f"{killed} kills, exit code {code}, {len(numbers)} trials, {spent_s:.0f} s spent of {BUDGET_S} s")
        print(*(faults or ["nothing lost, repeated or left"]), sep="\n")
        if code not in {0, 4, 8}:
            faults.append(f"exit code {code}")
            print((server / "log").read_text()[-2000:])
        return 1 if faults else 0


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(ROOT)
    sys.exit(main(*sys.argv[1:]))
