"""Kills a random process of a sweep at a random moment, again and again, and checks what must hold each time.

    python -m tests.soak.random_kills [--runs 200] [--seed 0] [--seconds S]

After every kill: the sweep ended in time and in no traceback; nothing that it started is left, and no temporary folder
once the next run has cleaned up; the report can be made; --resume measures what is left; then every request is
accounted for and every point has a verdict. A run takes some 10 seconds. Run N alone: --seed N --runs 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.soak.fault import HARNESS, LIMIT_S, MEASURED, Outcome, end, left_behind, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SWEEPS = (
    ("sweep", "concurrency=1,2", "--target", "fixed"),
    ("sweep", "concurrency=1,2", "--target", "fixed", "--load-processes", "2"),
    ("sweep", "replicas=1,2", "--target", "batched", "--concurrency", "2"),
)
WEIGHTS = (4, 2, 1)
SHORT = ("--seconds", "0.5s", "--repeats", "1", "--timeout", "3s")
AT_WORK = 0.7  # of the kills come after the first load has begun, however long the start took
LATEST_S = 5.0  # after that, or after the start
REPORT_EVERY = 5  # runs; a report of a run that was killed takes some seconds
NOTHING = 2  # exit code where there is nothing to report, or to resume
FINDINGS = {"conservation", "damaged", "recorder"}  # that must not be in a run that was resumed to its end


def kill_one(process: subprocess.Popen[str], out: Path, chance: random.Random) -> str:
    """Wait for a random time, kill a random process of the run; returns which, empty where it had ended before."""
    if chance.random() < AT_WORK:
        limit = time.monotonic() + LIMIT_S
        while process.poll() is None and not any(out.glob("trials/*/load.log")) and time.monotonic() < limit:
            time.sleep(0.02)
    deadline = time.monotonic() + chance.uniform(0.0, LATEST_S)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        run = psutil.Process(process.pid)
        family = [run, *run.children(recursive=True)]
        victim = chance.choice(sorted(family, key=lambda each: each.pid))
        line = " ".join(victim.cmdline())
        victim.send_signal(signal.SIGKILL)
    except psutil.Error:
        return ""
    words = line.split()
    return "the run itself" if victim == run else " ".join(words[2:5] if words[1:2] == ["-m"] else words[:1] or ["?"])


def command(*words: str, out: Path) -> Outcome:
    """Run a command of the harness."""
    return end(start([*HARNESS, *words]), out)


def wrong_with(out: Path, done: Outcome, *, reported: bool) -> Iterator[str]:
    """What does not hold after a kill."""
    if done.code is None:
        yield f"did not end within {LIMIT_S:g} s"
    yield from tracebacks("the sweep", done)
    yield from left_behind()
    if reported:
        report = command("report", str(out), "--json", out=out)
        yield from tracebacks("the report", report)
        if report.code not in (*MEASURED, NOTHING):
            yield f"the report's exit code is {report.code}: {report.said.strip()[-200:]!r}"
    if not (out / "run.json").exists():
        return
    resumed = command("sweep", "--resume", str(out), "--json", out=out)
    yield from tracebacks("--resume", resumed)
    if resumed.code not in MEASURED:
        yield f"--resume: exit code {resumed.code}: {resumed.said.strip()[-300:]!r}"
        return
    yield from unaccounted(out, resumed)
    yield from left_behind()


def tracebacks(what: str, done: Outcome) -> Iterator[str]:
    """The last line of a traceback in what was printed."""
    if "Traceback" in done.said:
        yield f"{what}: a traceback: {done.said.strip().splitlines()[-1][:200]}"


def unaccounted(out: Path, resumed: Outcome) -> Iterator[str]:
    """What is missing in a run that was resumed to its end."""
    line = next((line for line in resumed.said.splitlines() if line.startswith("{")), "{}")
    points = json.loads(line).get("result", {}).get("points", [])
    if len(points) != 2:
        yield f"{len(points)} points in place of 2"
    found = {finding["kind"] for point in points for finding in point["findings"]} & FINDINGS
    if found:
        yield f"findings: {', '.join(sorted(found))}"
    for path in out.glob("trials/*/load.json"):
        if ".unfinished-" in path.parent.name:
            continue  # an attempt that was killed: its last report is of the middle of the load
        report = json.loads(path.read_text())
        ended = sum(report[name] for name in ("ok", "wrong", "error", "timeout", "rejected", "aborted", "cancelled"))
        if not report["final"] or ended != report["sent"] or report["scheduled"] != report["sent"] + report["not_sent"]:
            yield f"{path.parent.name}: {report['scheduled']} scheduled, {report['sent']} sent, {ended} ended"


def main() -> int:
    """Kill in every run; the exit code is 1 where something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each further one has the next")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further run after that time")
    options = parser.parse_args()
    failed = done = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["SOAK"] = folder
        os.environ["TMPDIR"] = tempfile.tempdir = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        for seed in range(options.seed, options.seed + options.runs):
            if time.monotonic() - began > options.seconds:
                break
            chance = random.Random(seed)
            out = Path(folder) / str(seed)
            (words,) = chance.choices(SWEEPS, WEIGHTS)
            process = start([*HARNESS, *words, *SHORT, "--out", str(out)])
            victim = kill_one(process, out, chance)
            wrong = list(wrong_with(out, end(process, out), reported=seed % REPORT_EVERY == 0))
            done += 1
            failed += bool(wrong)
            held = "FAILED" if wrong else "held  "
            what = f"{words[1]} {words[3]} {' '.join(words[4:])}: {victim or 'nothing'}"
            print(f"{held} {seed}  {what}  {'; '.join(wrong)}", flush=True)
    print(f"{done - failed} of {done} sweeps held, {time.monotonic() - began:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
