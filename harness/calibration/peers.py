"""Runs other load generators on the same exercises and reads the figures that they report."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from harness.plan.scenario import SCENARIOS
from harness.system.cpu_cores import pin
from harness.system.process_guard import ProcessGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.calibration.claims import Values
    from harness.system.cpu_cores import Cores

PACED_USERS = 50  # connections over which a generator that can keep a rate spreads it: what `hey` does by default
GRACE_S = 60.0
PLAIN_LOCUST = str(SCENARIOS / "plain_locust.py")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """One call: so many connections, each sending again after its answer; `rate_rps` None: as fast as they can."""

    url: str
    body: Path
    seconds: float
    users: int
    rate_rps: float | None
    timeout_s: float
    folder: Path  # its own, for what it writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A load generator. paced: it can send at a given rate."""

    name: str
    program: str
    paced: bool
    command: Callable[[PeerRun], list[str]]
    read: Callable[[str, PeerRun], Values]

    @property
    def installed(self) -> bool:
        """Whether its program is on the path; Locust is a part of us."""
        return self.program == sys.executable or shutil.which(self.program) is not None

    def drive(self, run: PeerRun, cores: Cores) -> Values:
        """Run it and say what it said. Raises UserError where it does not run."""
        environment = {**os.environ, "GOMAXPROCS": str(max(1, len(cores)))}
        argv = self.command(run)
        with (
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
            ) as process,
            ProcessGuard(process.pid, group=False),
        ):
            pin(process.pid, cores)
            try:
                text, _ = process.communicate(timeout=run.seconds + run.timeout_s + GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                text, _ = process.communicate()
        (run.folder / "output.txt").write_text(text)
        try:
            return self.read(text, run)
        except (ValueError, LookupError, OSError) as error:
            last = (text.strip().splitlines() or ["nothing"])[-1]
            raise UserError(f"--beside {self.name}: its output cannot be read; it ends with: {last}") from error


def _wrk_command(run: PeerRun) -> list[str]:
    script = run.folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f'local file = io.open("{run.body}")\nwrk.body = file:read("*a")\nfile:close()\n'
    )
    limits = ["-d", f"{run.seconds:g}s", "--timeout", f"{max(1, round(run.timeout_s))}s"]
    return ["wrk", "-t1", f"-c{run.users}", *limits, "--latency", "-s", str(script), run.url]


def _wrk_said(text: str, run: PeerRun) -> Values:
    del run
    answered = float(_found(r"(\d+) requests in", text))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    failed = sum(map(int, errors.groups())) if errors else 0
    failed_answers = int(refused[1]) if refused else 0
    return {
        "rows": answered,
        "throughput_rps": float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        "p50_ms": _milliseconds(_found(r"^\s+50%\s+(\S+)", text)),
        "p99_ms": _milliseconds(_found(r"^\s+99%\s+(\S+)", text)),
        "max_ms": _milliseconds(_found(r"^\s+Latency\s+\S+\s+\S+\s+(\S+)", text)),
        "failed_share": (failed + failed_answers) / max(1.0, answered + failed),
    }


def _hey_command(run: PeerRun) -> list[str]:
    argv = ["hey", "-z", f"{run.seconds:g}s", "-c", str(run.users), "-t", f"{max(1, round(run.timeout_s))}"]
    pace = ["-q", f"{run.rate_rps / run.users:g}"] if run.rate_rps else []
    return [*argv, *pace, "-m", "POST", "-T", "application/json", "-D", str(run.body), run.url]


def _hey_said(text: str, run: PeerRun) -> Values:
    del run
    statuses = {int(code): int(count) for code, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", text)}
    errors = sum(int(count) for count in re.findall(r"^ +\[(\d+)\]\t(?!\d+ responses)", text, re.MULTILINE))
    answered = sum(statuses.values())
    bad = errors + sum(count for code, count in statuses.items() if code >= 400)
    percentiles = {
        f"p{p}_ms": 1e3 * float(found[1]) if (found := re.search(rf"{p}%+ in ([\d.]+) secs", text)) else None
        for p in (50, 99)
    }
    slowest = re.search(r"Slowest:\s+([\d.]+)", text)
    return {
        "rows": float(answered + errors),
        "throughput_rps": float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        **percentiles,
        "max_ms": 1e3 * float(slowest[1]) if slowest else None,
        "failed_share": bad / max(1, answered + errors),
    }


def _locust_command(run: PeerRun) -> list[str]:
    pace = [f"--per-user-rate={run.rate_rps / run.users:g}"] if run.rate_rps else []
    return [
        *(sys.executable, "-m", "locust", "-f", PLAIN_LOCUST, "--headless", "--only-summary"),
        *("-u", str(run.users), "-r", str(run.users), "-t", f"{run.seconds:g}s"),
        *("--url", run.url, "--body", str(run.body), "--network-timeout", f"{run.timeout_s:g}", *pace),
    ]


def _locust_said(text: str, run: PeerRun) -> Values:
    """From what it prints at the end: its CSV files lack the last second."""
    del run
    counts = re.search(r"Aggregated\s+(\d+)\s+(\d+)\(.*?\) \|\s+\S+\s+\S+\s+(\S+)\s+\S+ \|\s+([\d.]+)", text)
    tail = re.search(r"Aggregated\s+" + r"(\d+)\s+" * 11 + r"\d+\s*$", text, re.MULTILINE)
    if counts is None:
        raise LookupError("Aggregated")
    requests, failures = float(counts[1]), float(counts[2])
    return {
        "rows": requests,
        "throughput_rps": float(counts[4]),
        "p50_ms": float(tail[1]) if tail else None,
        "p99_ms": float(tail[8]) if tail else None,
        "max_ms": float(counts[3]) if tail else None,
        "failed_share": failures / max(1.0, requests),
    }


PEERS = {
    peer.name: peer
    for peer in (
        Peer(name="wrk", program="wrk", paced=False, command=_wrk_command, read=_wrk_said),
        Peer(name="hey", program="hey", paced=True, command=_hey_command, read=_hey_said),
        Peer(name="locust", program=sys.executable, paced=True, command=_locust_command, read=_locust_said),
    )
}


def chosen_peers(names: Iterable[str]) -> tuple[Peer, ...]:
    """The peers of these names, `all` being every one that is installed. Raises UserError."""
    wanted = tuple(dict.fromkeys(names))
    if "all" in wanted:
        return tuple(peer for peer in PEERS.values() if peer.installed)
    for name in wanted:
        if name not in PEERS:
            raise unknown_name("--beside", name, (*PEERS, "all"))
        if not PEERS[name].installed:
            raise UserError(f"--beside {name}: it is not installed; install {PEERS[name].program}, or leave it out")
    return tuple(PEERS[name] for name in wanted)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise LookupError(pattern)
    return match[1]


def _milliseconds(text: str) -> float:
    """`1.23ms`, `45.00us` or `1.02s`, as wrk writes durations."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:
        raise ValueError(text)
    return float(match[1]) * _MS[match[2]]
