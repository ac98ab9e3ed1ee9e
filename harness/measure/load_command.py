"""The command line of a load process: the same `locust -f scenarios/...` that a user runs by hand."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from harness.plan.arrivals import Closed, Constant, Gamma, Poisson, Replay, Stages, Users
from harness.plan.knobs import format_value
from harness.plan.scenario import scenario_name
from harness.wire.server_url import free_ports

WORKER_WAIT_S = 600.0
EVERYWHERE = ("0.0.0.0", "[::]", "*")  # noqa: S104  (addresses to bind to, of which none can be gone to)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.measure.target.endpoint import Endpoint
    from harness.plan.arrivals import Arrivals
    from harness.plan.plan import Plan, Point, Trial


def load_command(plan: Plan, trial: Trial, point: Point, endpoint: Endpoint, trial_dir: Path) -> list[str]:
    """The load process's argument vector for one trial."""
    users = point.arrivals.users if isinstance(point.arrivals, Closed) else 1
    return [
        *(sys.executable, "-m", "locust", "-f", plan.scenario, "--headless", "--only-summary"),
        *("-u", str(users), "-r", str(users)),
        *("--trial-dir", str(trial_dir), "--seed", str(trial.seed)),
        *("--warmup", f"{plan.warmup_seconds!r}s", "--measure", f"{plan.seconds!r}s"),
        *("--timeout", f"{plan.timeout_seconds:g}s", "--stop-timeout", f"{plan.timeout_seconds + 5:g}"),
        *_parts_of_timeout(plan),
        *("--check", plan.check_at(point) if endpoint.known else "off"),
        *("--protocol", endpoint.protocol, "--model", plan.model_at(point)),
        *(("--skew", f"{skew:g}") if (skew := plan.skew_at(point)) else ()),
        *_where(plan, endpoint),
        *_mix(plan, point, endpoint),
        *_chat(plan),
        *_arrivals(point.arrivals),
        *("--max-in-flight", str(-(-plan.max_in_flight // plan.workers))),
        *_processes(plan),
    ]


def _processes(plan: Plan) -> list[str]:
    """Master and workers meet at a port of their own: at Locust's default one, two runs would share their workers."""
    if plan.remote_workers:
        host, _, port = plan.bind.rpartition(":")
        waiting = ["--expect-workers", str(plan.remote_workers), "--expect-workers-max-wait", f"{WORKER_WAIT_S:g}"]
        return ["--master", "--master-bind-host", host, "--master-bind-port", port, *waiting]
    if plan.load_processes == 1:
        return []
    port = str(free_ports(1)[0])
    return ["--processes", str(plan.load_processes), "--master-bind-port", port, "--master-port", port]


def worker_command(plan: Plan) -> str:
    """What is to be typed on the machine of each worker, from its own checkout."""
    host, _, port = plan.bind.rpartition(":")
    here = socket.gethostname() if host in EVERYWHERE else host
    return f"python -m harness worker {here}:{port} --scenario {scenario_name(plan.scenario)}"


def _parts_of_timeout(plan: Plan) -> list[str]:
    parts = {
        "--connect-timeout": plan.connect_timeout_seconds,
        "--first-byte-timeout": plan.first_byte_timeout_seconds,
    }
    return [word for flag, seconds in parts.items() if seconds is not None for word in (flag, f"{seconds:g}s")]


def _where(plan: Plan, endpoint: Endpoint) -> list[str]:
    bank = plan.chat.get("prompts") or endpoint.bank
    words = ["--bank", str(bank)] if bank else []
    if endpoint.url:
        return [*words, "--host", endpoint.url, *(("--tls-ca", str(endpoint.tls_ca)) if endpoint.tls_ca else ())]
    knobs = [word for name, value in endpoint.setting.items() for word in ("--knob", f"{name}={format_value(value)}")]
    return [*words, "--target", plan.target, *knobs]


def _mix(plan: Plan, point: Point, endpoint: Endpoint) -> list[str]:
    mix = plan.mix(point)
    banks = [word for name, path in endpoint.class_banks.items() for word in ("--class-bank", f"{name}={path}")]
    return [*banks, *(("--mix", mix) if mix else ())]


def _chat(plan: Plan) -> list[str]:
    said = {name: value for name, value in plan.chat.items() if name != "prompts"}
    return [word for name, value in said.items() for word in (f"--{name.replace('_', '-')}", value)]


def _arrivals(arrivals: Arrivals) -> list[str]:  # noqa: PLR0911  (one for each kind)
    match arrivals:
        case Closed(think_time_s=think_time_s):
            return ["--arrivals", "closed", *(("--think-time", f"{think_time_s!r}s") if think_time_s else ())]
        case Users(stages=levels, think_time_s=think_time_s):
            text = ",".join(f"{level.seconds!r}s:{level.start_users!r}-{level.end_users!r}" for level in levels)
            return ["--arrivals", "users", "--stages", text, "--think-time", f"{think_time_s!r}s"]
        case Constant(rate_rps=rate_rps):
            return ["--arrivals", "constant", "--rate", repr(rate_rps)]
        case Poisson(rate_rps=rate_rps):
            return ["--arrivals", "poisson", "--rate", repr(rate_rps)]
        case Gamma(rate_rps=rate_rps, cv=cv):
            return ["--arrivals", "gamma", "--rate", repr(rate_rps), "--cv", repr(cv)]
        case Stages(stages=stages):
            text = ",".join(f"{stage.seconds!r}s:{stage.start_rps!r}-{stage.end_rps!r}" for stage in stages)
            return ["--arrivals", "stages", "--stages", text]
        case Replay(path=path, speed=speed):
            return ["--arrivals", "replay", "--trace", path, "--speed", repr(speed)]
