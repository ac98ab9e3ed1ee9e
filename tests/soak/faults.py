"""Puts faults to whole runs, one after the other, and checks what must hold after each.

    python -m tests.soak.faults [--only TEXT] [--list]

After every fault: the command ended in time and in no traceback, with one of the exit codes that are given; where rows
must be kept, they are; no process that it started is left, and no temporary folder once the next run has cleaned up.
It takes some 15 minutes; no fault takes more than 10 seconds of CPU. Faults of mounts need root and `unshare`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.system.temporary_folder import remove_orphaned_folders
from tests.soak.hostile_server import METADATA, RESPONSES, STATISTICS, USAGES, HostileServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LIMIT_S = 150.0
MEASURED = (0, 4, 7, 8)  # exit codes of a run that was measured, whatever the machine was doing
HARNESS = [sys.executable, "-m", "harness"]
SHORT = ("--seconds", "2s", "--concurrency", "4", "--timeout", "3s")
SERVED = ("run", "batch_size=8", "replicas=2", "tls=on", *SHORT)


@dataclass(frozen=True)
class Outcome:
    """What was left of one fault."""

    code: int | None  # None: it did not end in time
    said: str
    out: Path


@dataclass(frozen=True)
class Fault:
    """A fault: how it is put, and what must hold."""

    name: str
    put: Callable[[Path], Outcome]
    codes: tuple[int, ...]
    rows: bool = False  # whether rows are kept in the run's folder
    one_line: bool = False  # whether all that is said is one line


def start(words: list[str], *, shell: str = "") -> subprocess.Popen[str]:
    """Start a command in a session of its own; `shell` comes before it, in the same process."""
    argv = ["bash", "-c", f'{shell}\nexec "$@"', "bash", *words] if shell else words
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def end(process: subprocess.Popen[str], out: Path) -> Outcome:
    """Wait for the end."""
    try:
        said, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return Outcome(None, process.communicate()[0], out)
    return Outcome(process.returncode, said, out)


def against(part: str, fault: str, out: Path) -> Outcome:
    """Measure a server that answers wrongly."""
    with HostileServer(part, fault) as server:
        more = ("--scenario", "agent", "--protocol", "openai") if part == "usage" else ()
        words = ["run", "--target", server.url, "--model", "m", *SHORT, *more, "--out", str(out)]
        return end(start([*HARNESS, *words]), out)


def descendants(process: subprocess.Popen[str], word: str, but: str = "\0") -> list[psutil.Process]:
    """The processes that it started and that have `word` in their command line, parents before children."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(each.cmdline())
                if word in line and but not in line:
                    found.append(each)
    return found


def rows_in(out: Path) -> list[Path]:
    """The files of rows."""
    return [path for path in out.glob("trials/*/requests*") if path.stat().st_size > 0]


def send(
    number: int, word: str, words: tuple[str, ...], out: Path, *, but: str = "\0", least: int = 1, which: int = 0
) -> Outcome:
    """Send a signal to a process with `word` (empty: the command itself) while a load is running: to number `which`."""
    process = start([*HARNESS, *words, "--out", str(out)])
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        found = descendants(process, word, but)
        if rows_in(out) and len(found) >= least:
            time.sleep(1.0)
            break
        time.sleep(0.1)
    for each in [psutil.Process(process.pid)] if not word else [found[which]] if found else []:
        each.send_signal(number)
    return end(process, out)


def folder(change: Callable[[Path], object], out: Path) -> Outcome:
    """Change the run's folder while a load is running."""
    process = start([*HARNESS, "run", "--target", "fixed", *SHORT, "--seconds", "4s", "--out", str(out)])
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and not rows_in(out):
        time.sleep(0.1)
    time.sleep(1.0)
    change(out)
    return end(process, out)


def within(shell: str, words: tuple[str, ...], out: Path) -> Outcome:
    """Run a command in other surroundings."""
    return end(start([*HARNESS, *words, "--out", str(out)], shell=shell), out)


def report_to(redirection: str, out: Path) -> Outcome:
    """Make the report of a finished run with another standard output."""
    end(start([*HARNESS, "run", "--target", "fixed", *SHORT, "--seconds", "1s", "--out", str(out)]), out)
    line = f"{' '.join(HARNESS)} report {out}"
    done = end(start(["bash", "-o", "pipefail", "-c", redirection.format(line)]), out)
    return done if (out / "report.html").exists() else Outcome(None, "no report", out)


def in_namespace(mount: str, words: tuple[str, ...], out: Path) -> Outcome:
    """Run a command with another mount."""
    return end(
        start(["unshare", "-m", "sh", "-c", f'{mount}; exec "$@"', "sh", *HARNESS, *words, "--out", str(out)]), out
    )


def faults() -> Iterator[Fault]:
    """The table."""
    for name in METADATA:
        yield Fault(f"metadata: {name}", partial(against, "metadata", name), (2,), one_line=True)
    for name in STATISTICS:
        yield Fault(f"statistics: {name}", partial(against, "statistics", name), MEASURED, rows=True)
    for name in RESPONSES:
        yield Fault(f"response: {name}", partial(against, "response", name), (*MEASURED, 3), rows=True)
    for name in USAGES:
        yield Fault(f"usage: {name}", partial(against, "usage", name), MEASURED, rows=True)
    kill, stop = signal.SIGKILL, signal.SIGSTOP
    two = ("run", "--target", "fixed", "--load-processes", "2", *SHORT)
    fixed = ("run", "--target", "fixed", *SHORT)
    for verb, number in (("killed", kill), ("stopped", stop)):
        yield Fault(f"a replica is {verb}", partial(send, number, "--replica ", SERVED, least=2), MEASURED, rows=True)
        yield Fault(
            f"a load worker is {verb}",
            partial(send, number, "load.locust", two, least=4, which=-1),
            (*MEASURED, 3),
            rows=True,
        )
        # Of each, the fork server is found first, then its fork.
        for name, word in (("load", "load.locust"), ("samplers", "measure.samplers")):
            for which, role in enumerate(("fork server", "process")):
                fault = partial(send, number, word, fixed, least=2, which=which)
                yield Fault(f"the {role} of the {name} is {verb}", fault, (*MEASURED, 3), rows=True)
    supervisor = partial(send, kill, "targets batched", SERVED, but="--replica ")
    yield Fault("the supervisor of replicas is killed", supervisor, (*MEASURED, 3), rows=True)
    yield Fault("the target is killed", partial(send, kill, "-m targets", fixed), (*MEASURED, 3), rows=True)
    yield Fault("the run is killed", partial(send, kill, "", SERVED), (-9,), rows=True)
    yield Fault("the run gets SIGTERM", partial(send, signal.SIGTERM, "", fixed), (130,), rows=True)
    yield Fault("the run gets SIGINT", partial(send, signal.SIGINT, "", fixed), (130,), rows=True)
    yield Fault("the folder is removed", partial(folder, shutil.rmtree), (3,))
    yield Fault("the folder is moved", partial(folder, lambda out: out.rename(out.with_name("moved"))), (3,))
    yield Fault("trials are removed", partial(folder, lambda out: shutil.rmtree(out / "trials")), (3,))
    yield Fault("run.json is removed", partial(folder, lambda out: (out / "run.json").unlink()), (3,), rows=True)
    for name, line in {"full": "{} >/dev/full", "closed": "{} >&-", "all closed": "{} <&- >&- 2>&-",
                       "a pipe that ends": "{} | head -1", "latin-1": "PYTHONIOENCODING=latin-1 {}",
                       "ASCII": "PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 LC_ALL=C {}"}.items():  # fmt: skip
        yield Fault(f"standard output: {name}", partial(report_to, line), MEASURED, rows=True)
    yield Fault("500 MB of address space", partial(within, "ulimit -v 500000", fixed), (2,), one_line=True)
    yield Fault("24 open files", partial(within, "ulimit -n 24", fixed), (2, 3, *MEASURED))
    # 4: the rows do not fit and the trial is INVALID; 3: where the page does not fit either.
    yield Fault("files of at most 64 KB", partial(within, "ulimit -f 64", fixed), (3, 4))
    if os.getuid() == 0 and shutil.which("unshare"):
        yield Fault("no /proc", partial(in_namespace, "mount -t tmpfs none /proc", fixed), (2,), one_line=True)
        shm = partial(in_namespace, "mount -t tmpfs -o ro none /dev/shm", fixed)
        yield Fault("/dev/shm is read-only", shm, MEASURED, rows=True)
        tmp = partial(in_namespace, "mount -t tmpfs -o ro none /tmp", fixed)
        yield Fault("/tmp is read-only", tmp, (2, 3))


def of_this_script() -> list[psutil.Process]:
    """Living processes of the harness whose session began in this script's children, guards included."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                each.environ().get("SOAK") == os.environ["SOAK"]
                and each.pid != os.getpid()
                and each.status() != "zombie"
            ):
                found.append(each)
    return found


def wrong_with(fault: Fault, done: Outcome) -> Iterator[str]:
    """What does not hold."""
    if done.code is None:
        yield f"did not end within {LIMIT_S:g} s"
    elif done.code not in fault.codes:
        yield f"exit code {done.code}: {done.said.strip()[-200:]!r}"
    if "Traceback" in done.said:
        yield f"a traceback: {done.said.strip().splitlines()[-1][:200]}"
    if fault.one_line and len(done.said.strip().splitlines()) != 1:
        yield f"{len(done.said.strip().splitlines())} lines in place of one"
    if fault.rows and not rows_in(done.out):
        yield "no rows are kept"
    yield from left_behind()


def left_behind() -> Iterator[str]:
    """What is left of a run that has ended: processes, which are killed here, and temporary folders."""
    deadline = time.monotonic() + 25
    while (left := of_this_script()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        yield f"left: {[' '.join(each.cmdline())[:80] for each in left]}"
        for each in left:
            each.kill()
    remove_orphaned_folders()
    folders = [path.name for path in Path(tempfile.gettempdir()).glob("sweepspot-*") if "rescued" not in path.name]
    if folders:
        yield f"left in the folder for temporary files: {folders}"


def main() -> int:
    """Put all faults; the exit code is 1 where something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [fault for fault in faults() if options.only in fault.name]
    if options.list:
        print("\n".join(fault.name for fault in chosen))
        return 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["SOAK"] = folder
        os.environ["TMPDIR"] = tempfile.tempdir = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        for number, fault in enumerate(chosen):
            began = time.monotonic()
            done = fault.put(Path(folder) / str(number) / "run")
            wrong = list(wrong_with(fault, done))
            failed += bool(wrong)
            held = "FAILED" if wrong else "held  "
            print(f"{held} {time.monotonic() - began:5.1f} s  {fault.name}  {'; '.join(wrong)}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} faults held")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
