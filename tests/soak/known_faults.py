"""Measures servers of known misbehaviour and prints what is said of them beside the server's own log.

    python -m tests.soak.known_faults [--only KIND] [--seconds 6] [--out FOLDER]

Each kind of server (`tests/e2e/faults/known_server.py`) is measured in a closed and in an open loop by `run`, and in a
small `sweep` over numbers of users. A line has, from the log, the seconds of the measured window without a good
response, the share refused, the median time of the first and of the last third and the first response; and what the run
says: exit code, verdict, findings with their figures. Some 10 minutes; it judges nothing by itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.record.run_dir import RunDir
from tests.e2e.test_known_faults import RECIPE, ROOT, SERVER

KINDS = (
    *("steady", "hang", "freeze", "starved", "slow-one", "unequal", "leak", "leak-1", "leak-5"),
    *("refuse", "close-100", "cold", "cache"),
)
LOADS = {"closed": ("run", "--concurrency", "8"), "open": ("run", "--arrivals", "poisson", "--rate", "200"),
         "sweep": ("sweep", "--concurrency", "4,8", "--budget", "25s")}  # fmt: skip
SILENT_S = 0.5


def measured(kind: str, words: tuple[str, ...], seconds: float, folder: Path) -> tuple[int, dict, Path]:
    """Exit code, document and run directory."""
    recipe, bank, out = folder / "known.toml", folder / "bodies.jsonl", folder / "run"
    recipe.write_text(RECIPE.format(server=SERVER, log=folder / "log"))
    bank.write_text("".join(f'{{"x": [{n}]}}\n' for n in range(300)))
    argv = [sys.executable, "-m", "harness", words[0], "--target", str(recipe), f"kind={kind}", *words[1:], "--json"]
    argv += ["--bank", str(bank), "--check", "off", "--timeout", "3s", "--slo", "p99<50ms", "--out", str(out)]
    argv += [] if words[0] == "sweep" else ["--seconds", f"{seconds}s", "--warmup", "1s"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    if not done.stdout:
        raise SystemExit(f"{kind}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)["result"], out


def by_log(out: Path, log: Path) -> str:
    """What the server wrote of the first trial's window."""
    folder = RunDir(out)
    plan = folder.read().plan
    report = folder.trial_data(plan, plan.trials[0]).reports[0]
    start, end = report.measure_start_ns or 0, report.measure_end_ns or 0
    came, answered, _, status = np.loadtxt(log, dtype=np.int64, ndmin=2).T
    good = np.sort(answered[(status == 200) & (answered > start) & (answered < end)])
    gaps_s = np.diff(np.concatenate(([start], good, [end]))) / 1e9
    inside = (came >= start) & (came < end)
    took_ms = (answered - came)[inside & (answered > 0)] / 1e6
    third = max(1, took_ms.size // 3)
    before = (came >= report.start_ns) & (answered > 0)
    first_ms = float((answered - came)[before][0]) / 1e6 if before.any() else float("nan")
    return (
        f"{gaps_s[gaps_s > SILENT_S].sum():.1f} s without, {np.mean(status[inside] != 200):.0%} refused or lost, "
        f"thirds {np.median(took_ms[:third]):.2f} and {np.median(took_ms[-third:]):.2f} ms, first {first_ms:.0f} ms"
    )


def said(code: int, result: dict) -> str:
    """What a user is told."""
    lines = [f"exit {code}; {result['answer']['sentence']}"]
    for point in result["points"]:
        lines.append(f"    {point['verdict']} at {point.get('concurrency') or point.get('rate_target_rps')}")
        lines += [f"      {each['kind']} {each['verdict']}: {each['text']}" for each in point["findings"]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--loads", nargs="+", default=list(LOADS), choices=list(LOADS))
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    for kind in KINDS:
        for load in given.loads:
            if given.only in kind:
                with tempfile.TemporaryDirectory(prefix="known-") as name:
                    folder = Path(name)
                    code, result, out = measured(kind, LOADS[load], given.seconds, folder)
                    print(
                        f"{kind}, {load}: by its log {by_log(out, folder / 'log')}\n  {said(code, result)}", flush=True
                    )


if __name__ == "__main__":
    main()
