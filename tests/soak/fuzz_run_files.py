"""Damages the files of runs at random, and calls `report`, `compare` and `simulate` on them.

    python -m tests.soak.fuzz_run_files RUN... [--count 200] [--seconds S] [--seed 1] [--only CASE]

Each case copies one folder RUN, flips, cuts or inserts bytes in one of its files, and calls a command in a fork of this
process. What must hold: no traceback, no signal, an end within LIMIT_S of CPU time, and of a damaged file its name in
the output or in the report. A case that fails is printed with its number, which makes it again with the same runs: its
seed is `<seed>/<number>`.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import pyarrow as pa

import harness.cli.main
from harness.record.trial_tables import read_table

LIMIT_S = 60  # of CPU time; the machine may be shared
STILL_S = 20 * LIMIT_S
READ = (".json", ".arrow", ".parquet")
ODD = (b"\xff\xff\xff\xff", b"\x00" * 8, b"9" * 30, b'"', b"{", b"[" * 2000, b"\xed\xa0\x80", b"-1", b"1e999", b"null")


def damage(path: Path, rng: Random) -> str:
    """Change the file at random; returns how."""
    content = bytearray(path.read_bytes())
    kind = rng.choice(("flip", "flip", "flips", "cut", "insert", "replace", "empty", "zeros"))
    place = rng.randrange(len(content) + 1)
    match kind:
        case "flip" | "flips":
            for _ in range(1 if kind == "flip" else rng.randrange(2, 64)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        case "cut":
            del content[place : place + rng.randrange(1, 4096)]
        case "insert":
            content[place:place] = rng.choice((*ODD, rng.randbytes(rng.randrange(1, 64))))
        case "replace":
            odd = rng.choice(ODD)
            content[place : place + len(odd)] = odd
        case "empty":
            content.clear()
        case "zeros":
            content[place:] = bytes(len(content) - place)
    path.write_bytes(content)
    return f"{kind} at {place}"


def unseal(folder: Path) -> None:
    """Take all sums out, as in a run of an earlier version or of one that was killed."""
    for path in folder.rglob("*.json"):
        lines = [line for line in path.read_text().splitlines() if '"crc32"' not in line]
        path.write_text("\n".join(lines).replace(",\n}", "\n}") + "\n")
    for path in folder.glob("trials/*/trial.json"):
        text = path.read_text()
        start = text.find('"sums": {')
        path.write_text(text[:start] + '"sums": {}' + text[text.find("}", start) + 1 :] if start >= 0 else text)


def as_streams(folder: Path) -> None:
    """Put Arrow streams in the place of Parquet files, as in a trial that was killed."""
    for path in folder.glob("trials/*/*.parquet"):
        table = read_table(path)
        with pa.OSFile(str(path.with_suffix(".arrow")), "wb") as to, pa.ipc.new_stream(to, table.schema) as stream:
            stream.write_table(table, max_chunksize=1000)
        path.unlink()


def call(words: list[str], log: Path) -> int:
    """The wait status of the command in a fork; -1 where it did not end in time."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["harness", *words]
        code = 1
        try:
            code = int(harness.cli.main.main())
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:  # noqa: BLE001  (the border of a process)
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + STILL_S
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def run_case(original: Path, folder: Path, seed: str) -> tuple[str, str]:
    """What was done, and what is wrong with the outcome (empty: nothing)."""
    rng = Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    is_sealed = rng.random() < 0.6
    if not is_sealed:
        unseal(folder)
        if rng.random() < 0.5:
            as_streams(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix in READ and path.name != "settings.json")
    victim = rng.choice(files)
    before = victim.read_bytes()
    how = damage(victim, rng)
    is_changed = victim.read_bytes() != before
    commands = (
        ["report", str(folder)],
        ["report", str(folder)],
        ["compare", str(original), str(folder)],
        ["compare", str(folder), str(original)],
        ["simulate", str(folder), "replicas=1,2", "--cores", "2"],
    )
    words = rng.choice(commands)
    log = folder.parent / "output.txt"
    status = call(words, log)
    said = log.read_text(errors="replace")
    what = f"{words[0]}: {victim.relative_to(folder)}: {how}{'' if is_sealed else ', without sums'}"
    if status == -1:
        return what, f"did not end within {LIMIT_S:g} s"
    if os.WIFSIGNALED(status):
        return what, f"signal {os.WTERMSIG(status)}"
    if "Traceback" in said or ("error: " in said and len(said.strip().splitlines()) > 30):
        return what, said.strip().splitlines()[-1][:200]
    report = folder / "summary.md"
    shown = said + (report.read_text() if report.exists() else "")
    if is_sealed and is_changed and words[0] == "report" and "trials" in victim.parts and victim.name not in shown:
        return what, "the damaged file is not named"
    return what, ""


def cpu_s() -> float:
    """The CPU time of this process and of the commands that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    """Run the cases; the exit code is 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further case after that CPU time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this case alone")
    options = parser.parse_args()
    failed = done = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.count) if options.only is None else (options.only,):
            if cpu_s() > options.seconds:
                break
            original = options.runs[number % len(options.runs)].resolve()
            what, wrong = run_case(original, Path(folder) / "run", f"{options.seed}/{number}")
            done += 1
            if wrong or options.only is not None:
                failed += bool(wrong)
                print(f"{number}: {what}: {wrong or 'held'}", flush=True)
                if options.only is not None:
                    print((Path(folder) / "output.txt").read_text())
    print(f"{failed} of {done} cases failed, {cpu_s():.0f} s of CPU")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
