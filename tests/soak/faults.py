"""Puts faults to whole runs, one after the other, and checks what must hold after each.

    python -m tests.soak.faults [--only TEXT] [--sample N] [--seed S] [--list]

After every fault: the command ended in time and in no traceback, with one of the exit codes that are given; where rows
must be kept, they are; no process that it started is left, and no temporary folder once the next run has cleaned up.
It takes some 40 minutes; no fault takes more than 10 seconds of CPU. Faults of mounts need root and `unshare`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.fault import (
    FIXED,
    MEASURED,
    SERVED,
    SHORT,
    Fault,
    against,
    descendants,
    folder,
    in_namespace,
    interrupted,
    measured_to,
    paused,
    report_to,
    reported_after,
    rows_in,
    send,
    to_group,
    within,
    wrong_with,
)
from tests.soak.hostile_server import METADATA, RESPONSES, STATISTICS, USAGES

if TYPE_CHECKING:
    from collections.abc import Iterator


def faults() -> Iterator[Fault]:
    """The table."""
    yield from of_servers()
    yield from of_processes()
    yield from of_signals()
    yield from of_folders()
    yield from of_files()
    yield from of_surroundings()
    if os.getuid() == 0 and shutil.which("unshare"):
        yield from of_mounts()


def of_servers() -> Iterator[Fault]:
    """Servers that answer wrongly."""
    for name in METADATA:
        yield Fault(f"metadata: {name}", partial(against, "metadata", name), (2,), one_line=True)
    for name in STATISTICS:
        yield Fault(f"statistics: {name}", partial(against, "statistics", name), MEASURED, rows=True)
    for name in RESPONSES:
        yield Fault(f"response: {name}", partial(against, "response", name), (*MEASURED, 3), rows=True)
    for name in USAGES:
        yield Fault(f"usage: {name}", partial(against, "usage", name), MEASURED, rows=True)


def of_processes() -> Iterator[Fault]:
    """Processes that are killed or stopped."""
    kill, stop = signal.SIGKILL, signal.SIGSTOP
    two = ("run", "--target", "fixed", "--load-processes", "2", *SHORT)
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
                fault = partial(send, number, word, FIXED, least=2, which=which)
                yield Fault(f"the {role} of the {name} is {verb}", fault, (*MEASURED, 3), rows=True)
    supervisor = partial(send, kill, "targets batched", SERVED, but="--replica ")
    yield Fault("the supervisor of replicas is killed", supervisor, (*MEASURED, 3), rows=True)
    yield Fault("the target is killed", partial(send, kill, "-m targets", FIXED), (*MEASURED, 3), rows=True)
    for role, word in {
        "run": "",
        "load": "load.locust",
        "samplers": "measure.samplers",
        "target": "-m targets",
    }.items():
        yield Fault(f"the {role} stands still for 3 s", partial(paused, word), (*MEASURED, 3), rows=True)
    yield Fault("the run is killed", partial(send, kill, "", SERVED), (-9,), rows=True)


def of_signals() -> Iterator[Fault]:
    """Signals that ask for an end, or that nobody expects."""
    yield Fault("the run gets SIGTERM", partial(send, signal.SIGTERM, "", FIXED), (130,), rows=True)
    yield Fault("the run gets SIGINT", partial(send, signal.SIGINT, "", FIXED), (130,), rows=True)
    for name in ("HUP", "USR1", "USR2", "ALRM", "XCPU"):
        number = getattr(signal, f"SIG{name}")
        yield Fault(f"the run gets SIG{name}", partial(send, number, "", FIXED), (130,), rows=True)
    yield Fault("the run gets SIGQUIT", partial(send, signal.SIGQUIT, "", FIXED), (-3,), rows=True)
    yield Fault("the run gets SIGPIPE", partial(send, signal.SIGPIPE, "", FIXED), MEASURED, rows=True)
    loading = lambda out, _: bool(rows_in(out))  # noqa: E731
    target_up = lambda _, process: bool(descendants(process, "-m targets"))  # noqa: E731
    ended = lambda out, _: any(out.glob("trials/*/trial.json"))  # noqa: E731
    twice, five = (signal.SIGINT,) * 2, (signal.SIGINT,) * 5
    yield Fault("Ctrl-C twice", partial(interrupted, twice, loading), (130,), rows=True)
    yield Fault("Ctrl-C five times", partial(interrupted, five, loading), (130,), rows=True)
    yield Fault("SIGTERM while the target starts", partial(interrupted, (signal.SIGTERM,), target_up), (130,))
    end_codes = (130, *MEASURED)
    yield Fault("SIGTERM at the report", partial(interrupted, (signal.SIGTERM,), ended), end_codes, rows=True)
    for name, codes in {"INT": (130,), "HUP": (130,), "QUIT": (-3,)}.items():
        number = getattr(signal, f"SIG{name}")
        yield Fault(f"the whole group gets SIG{name}", partial(to_group, number), codes, rows=True)
    for role, word, words in (("target", "-m targets", FIXED), ("load", "load.locust", FIXED),
                              ("samplers", "measure.samplers", FIXED), ("replica", "--replica ", SERVED)):  # fmt: skip
        for name in ("HUP", "INT", "USR1"):
            least = 1 if role == "target" else 2
            which = 1 if role in ("load", "samplers") else 0
            fault = partial(send, getattr(signal, f"SIG{name}"), word, words, least=least, which=which)
            yield Fault(f"the {role} gets SIG{name}", fault, (*MEASURED, 3), rows=True)


def of_folders() -> Iterator[Fault]:
    """Run folders that go away, and names that no folder can have."""
    yield Fault("the folder is removed", partial(folder, shutil.rmtree), (3,))
    yield Fault("the folder is moved", partial(folder, lambda out: out.rename(out.with_name("moved"))), (3,))
    yield Fault("trials are removed", partial(folder, lambda out: shutil.rmtree(out / "trials")), (3,))
    yield Fault("another folder takes its place", partial(folder, _replace), (3,))
    yield Fault("a link takes its place", partial(folder, _replace_by_link), MEASURED, rows=True)
    csv = partial(folder, lambda out: (out / "points.csv").mkdir())
    yield Fault("points.csv is a folder", csv, (3,), rows=True)
    yield Fault("run.json is removed", partial(folder, lambda out: (out / "run.json").unlink()), (3,), rows=True)
    for name, (out, make) in {
        "a pipe": ("x", "mkfifo x"), "a file": ("x", "touch x"), "below a file": ("x/run", "touch x"),
        "links in a circle": ("x", "ln -s y x; ln -s x y"), "a link to nothing": ("x", "ln -s none x"),
        "of 300 characters": ("x" * 300, ""), "of 5,000 characters": ("x/" * 2500, ""), "no UTF-8": ("x\udcff", ""),
    }.items():  # fmt: skip
        yield Fault(f"--out {name}", partial(measured_to, out, make), (2,), one_line=True)
    yield Fault("--out with a line feed", partial(measured_to, "x\ny <b>", ""), MEASURED, rows=True)


def _replace(out: Path) -> None:
    out.rename(out.with_name("moved"))
    out.mkdir()


def _replace_by_link(out: Path) -> None:
    out.rename(out.with_name("moved"))
    out.symlink_to("moved")


def of_files() -> Iterator[Fault]:
    """Files of a run that were changed between runs."""
    trial = "trials/*/"
    for name, change in {
        "rows are a pipe": f"cd {trial}; rm requests*; mkfifo requests.parquet",
        "rows are a folder": f"cd {trial}; rm requests*; mkdir requests.parquet",
        "rows are empty": f"cd {trial}; : > requests.parquet",
        "the load's report is a pipe": f"cd {trial}; rm load.json; mkfifo load.json",
        "the load's report is a folder": f"cd {trial}; rm load.json; mkdir load.json",
        "the load's report is nested": f"cd {trial}; printf '[%.0s' {{1..100000}} > load.json",
        "samples are other rows": f"cd {trial}; cp requests.parquet samples.parquet",
        "trial.json is missing": f"rm {trial}trial.json",
        "rows are 10 GB of nothing": f"cd {trial}; truncate -s 10G requests.parquet",
        "trials hold themselves": "cd trials; ln -s . loop; ln -s loop 0009-loop",
        "a trial is of another point": f"cd {trial}; sed -i 's/\"point\": 0/\"point\": 77/' trial.json",
        "trial.json is a pipe": f"cd {trial}; rm trial.json; mkfifo trial.json",
    }.items():  # fmt: skip
        yield Fault(f"files: {name}", partial(reported_after, change), MEASURED)
    for name, change in {
        "is a pipe": "rm run.json; mkfifo run.json", "is nested": "printf '[%.0s' {1..100000} > run.json",
        "is missing": "rm run.json", "is empty": ": > run.json",
        "is of 200 MB": "head -c 200000000 /dev/zero > run.json",
    }.items():  # fmt: skip
        yield Fault(f"files: run.json {name}", partial(reported_after, change), (2, 3), one_line=True)


def of_surroundings() -> Iterator[Fault]:
    """Outputs, limits and environments of the process."""
    for name, line in {"full": "{} >/dev/full", "closed": "{} >&-", "all closed": "{} <&- >&- 2>&-",
                       "a pipe that ends": "{} | head -1", "latin-1": "PYTHONIOENCODING=latin-1 {}",
                       "ASCII": "PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 LC_ALL=C {}"}.items():  # fmt: skip
        yield Fault(f"standard output: {name}", partial(report_to, line), MEASURED, rows=True)
    yield Fault("500 MB of address space", partial(within, "ulimit -v 500000", FIXED), (2,), one_line=True)
    yield Fault("24 open files", partial(within, "ulimit -n 24", FIXED), (2, 3, *MEASURED))
    # 4: the rows do not fit and the trial is INVALID; 3: where the page does not fit either.
    yield Fault("files of at most 64 KB", partial(within, "ulimit -f 64", FIXED), (3, 4))
    for name, shell in {
        "no home": "unset HOME XDG_CACHE_HOME", "no folder for temporary files": "export TMPDIR=/nonexistent",
        "a strange TZ": "export TZ=:../../etc/passwd", "a terminal of one column": "export TERM=dumb COLUMNS=1",
        "PYTHONOPTIMIZE": "export PYTHONOPTIMIZE=2", "warnings are errors": "export PYTHONWARNINGS=error",
        "umask 777": "umask 777", "64 open files": "ulimit -n 64", "a small stack": "ulimit -s 200",
        "standard error is full": "exec 2>/dev/full", "standard error is closed": "exec 2>&-",
        "a long TMPDIR": f"export TMPDIR=$TMPDIR/{'x' * 200}; mkdir -p $TMPDIR",
        "a TMPDIR with spaces and quotes": "export TMPDIR=\"$TMPDIR/a 'b\"; mkdir -p \"$TMPDIR\"",
        "Locust's settings": "export LOCUST_USERS=7 LOCUST_RUN_TIME=1s LOCUST_WEB_PORT=x LOCUST_LOCUSTFILE=/none",
        "settings of a load by hand": "export SWEEPSPOT_TIMEOUT=1ms SWEEPSPOT_TARGET=x SWEEPSPOT_SETTINGS=/nonexistent",
        "a locust.conf": "cd $TMPDIR; printf 'users = 7\nrun-time = 1s\nweb-port = x\n' > locust.conf",
        "a file locust.py": "cd $TMPDIR; echo 'raise SystemExit(7)' > locust.py",
        "a proxy that is not there": "export http_proxy=http://127.0.0.1:9 ALL_PROXY=socks5://127.0.0.1:9",
        "PYTHONDEVMODE": "export PYTHONDEVMODE=1",
        "OMP_NUM_THREADS is a word": "export OMP_NUM_THREADS=many OPENBLAS_NUM_THREADS=x",
        "a library that is not there": "export LD_PRELOAD=/nonexistent.so",
        "standard input is closed": "exec <&-", "HUP and INT are ignored": "trap '' HUP INT",
    }.items():  # fmt: skip
        yield Fault(f"surroundings: {name}", partial(within, shell, FIXED), MEASURED, rows=True)
    certificates = partial(within, "export SSL_CERT_FILE=/nonexistent SSL_CERT_DIR=/nonexistent", SERVED)
    yield Fault("surroundings: no certificates", certificates, MEASURED, rows=True)
    cache = partial(within, "export XDG_CACHE_HOME=$TMPDIR/file; : > $TMPDIR/file", FIXED)
    yield Fault("surroundings: the cache is a file", cache, (2,))
    home = partial(within, "export HOME=/proc XDG_CACHE_HOME=", FIXED)
    yield Fault("surroundings: a home where nothing can be written", home, (2,))
    gone = "mkdir -p $TMPDIR/gone; cd $TMPDIR/gone; rmdir $TMPDIR/gone"
    yield Fault("surroundings: the current folder is gone", partial(within, gone, FIXED), (2,), one_line=True)


def of_mounts() -> Iterator[Fault]:
    """File systems that are full, read-only or missing, and a user with few processes."""
    yield Fault("no /proc", partial(in_namespace, "mount -t tmpfs none /proc", FIXED), (2,), one_line=True)
    shm = partial(in_namespace, "mount -t tmpfs -o ro none /dev/shm", FIXED)
    yield Fault("/dev/shm is read-only", shm, MEASURED, rows=True)
    tmp = partial(in_namespace, "mount -t tmpfs -o ro none /tmp", FIXED)
    yield Fault("/tmp is read-only", tmp, (2, 3))
    for name, options in {"of 300 kB": "size=300k", "of 40 kB": "size=40k", "of 12 files": "nr_inodes=12"}.items():
        disk = f'for d; do :; done; d=$(dirname "$d"); mkdir -p "$d"; mount -t tmpfs -o {options} none "$d"'
        yield Fault(f"a disk {name}", partial(in_namespace, disk, FIXED), (2, 3, *MEASURED))
    unprivileged = ("setpriv", "--reuid=65534", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    for processes in (3, 8, 14):
        few = f'exec {" ".join(unprivileged)} bash -c \'ulimit -u {processes}; exec "$@"\' bash "$@"'
        yield Fault(f"{processes} processes", partial(within, few, FIXED), (3, 130))  # 130: by OpenBLAS


def main() -> int:
    """Put all faults; the exit code is 1 where something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--sample", type=int, help="so many of them, drawn with --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [fault for fault in faults() if options.only in fault.name]
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    if options.list:
        print("\n".join(fault.name for fault in chosen))
        return 0
    failed = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it and QUIT, nohup HUP
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
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
