"""A fault of a whole run: how it is put, and what must hold after it; the table of them is in `faults.py`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.system.temporary_folder import remove_orphaned_folders
from tests.soak.hostile_server import HostileServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LIMIT_S = 150.0
MEASURED = (0, 4, 7, 8)  # exit codes of a run that was measured, whatever the machine was doing
HARNESS = [sys.executable, "-m", "harness"]
SHORT = ("--seconds", "2s", "--concurrency", "4", "--timeout", "3s")
FIXED = ("run", "--target", "fixed", *SHORT)
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


def interrupted(numbers: tuple[int, ...], is_time: Callable[[Path, subprocess.Popen[str]], bool], out: Path) -> Outcome:
    """Send signals to the command, one shortly after the other, as soon as `is_time`."""
    process = start([*HARNESS, *FIXED, "--out", str(out)])
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline and not is_time(out, process):
        time.sleep(0.02)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    return end(process, out)


def paused(word: str, out: Path) -> Outcome:
    """Stop a process with `word` (empty: the command with its group) for some seconds while a load is running."""
    process = start([*HARNESS, *FIXED, "--out", str(out)])
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline and not rows_in(out):
        time.sleep(0.1)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        if word:
            for each in descendants(process, word):
                each.send_signal(number)
        else:
            os.killpg(process.pid, number)
        time.sleep(3.0)
    return end(process, out)


def to_group(number: int, out: Path) -> Outcome:
    """Send a signal to the command with all of its process group, as a terminal does."""
    process = start([*HARNESS, *FIXED, "--out", str(out)])
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline and not rows_in(out):
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, number)
    return end(process, out)


def measured_to(name: str, make: str, out: Path) -> Outcome:
    """Measure to an odd folder, which `make` (shell, in its parent) has prepared."""
    out.parent.mkdir(parents=True)
    subprocess.run(["bash", "-c", make or "true"], cwd=out.parent, check=True)
    raw = os.fsencode(out.parent) + b"/" + os.fsencode(name)
    return end(start([*HARNESS, *FIXED, "--out", os.fsdecode(raw)]), Path(os.fsdecode(raw)))


def reported_after(change: str, out: Path) -> Outcome:
    """Make the report of a finished run after `change` (shell, in its folder)."""
    end(start([*HARNESS, *FIXED, "--seconds", "1s", "--out", str(out)]), out)
    subprocess.run(["bash", "-c", change], cwd=out, check=True)
    return end(start([*HARNESS, "report", str(out)]), out)


def in_namespace(mount: str, words: tuple[str, ...], out: Path) -> Outcome:
    """Run a command with another mount."""
    return end(
        start(["unshare", "-m", "sh", "-c", f'{mount}; exec "$@"', "sh", *HARNESS, *words, "--out", str(out)]), out
    )


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
    if "\x1b" in done.said:
        yield "escape codes that a terminal would obey"
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
