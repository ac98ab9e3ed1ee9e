"""The command line of a load process: the `locust -f scenarios/...` that a user runs by hand, without the environment.

All settings of the load are in one file in the trial's folder; beside it only Locust's own flags are given.
"""

from __future__ import annotations

import math
import socket
import sys
from typing import TYPE_CHECKING

import msgspec

from harness.files import pretty, write_whole
from harness.plan.arrivals import Closed
from harness.plan.chat_shape import new_salt
from harness.plan.load_settings import TrialLoad
from harness.plan.scenario import find_scenario
from harness.wire.protocols import chats
from harness.wire.server_url import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from harness.measure.target.endpoint import Endpoint
    from harness.plan.chat_shape import ChatShape
    from harness.plan.plan import Plan, Point, Trial

LOCUST = "harness.measure.load.locust"  # as a module: Locust without settings from the environment
WORKER_WAIT_S = 600.0
STOP_SLACK_S = 5  # whole, as the stop time-out must be: Locust reads no fraction of a second
SETTINGS = "settings.json"
ALL_ADDRESSES = ("0.0.0.0", "[::]", "*")  # noqa: S104  (a process can bind to them, but no client can connect to them)


def load_command(plan: Plan, trial: Trial, point: Point, endpoint: Endpoint, trial_dir: Path) -> list[str]:
    """The load process's argument vector for one trial. Writes the settings of the load into the trial's folder."""
    users = point.arrivals.users if isinstance(point.arrivals, Closed) else 1
    load = trial_load(plan, trial, point, endpoint, trial_dir)
    write_whole(trial_dir / SETTINGS, pretty(load))
    return [
        *(sys.executable, "-m", LOCUST, "-f", find_scenario(plan.scenario), "--headless", "--only-summary"),
        *("-u", str(users), "-r", str(users), "--stop-timeout", str(math.ceil(load.timeout_s) + STOP_SLACK_S)),
        *("--settings", str(trial_dir / SETTINGS)),
        *(("--host", endpoint.url) if endpoint.url else ()),
        *_processes(plan),
        *plan.locust_arguments,
    ]


def trial_load(plan: Plan, trial: Trial, point: Point, endpoint: Endpoint, trial_dir: Path) -> TrialLoad:
    """The settings of one trial's load."""
    chosen = plan.load_at(point)
    return TrialLoad(
        **{
            **msgspec.structs.asdict(chosen),
            "protocol": endpoint.protocol,
            "chat": _chat(chosen.chat, endpoint),
            "check": chosen.check if endpoint.known or chosen.expect else "off",
        },
        trial_dir=str(trial_dir),
        arrivals=point.arrivals,
        model=plan.model_at(point),
        target=plan.target_request(point).target if endpoint.url is None else None,
        other_servers=endpoint.others,
        setting=endpoint.setting if endpoint.url is None else {},
        bank=str(endpoint.bank) if endpoint.bank else None,
        class_banks={name: str(path) for name, path in endpoint.class_banks.items()},
        tls_ca=str(endpoint.tls_ca) if endpoint.tls_ca else None,
        seed=trial.seed,
    )


def _chat(chosen: ChatShape, endpoint: Endpoint) -> ChatShape:
    """The conversations, with what the first requests have found out, and a salt where texts are sent."""
    accepted = endpoint.accepted._asdict() if endpoint.accepted else {}
    salt = new_salt() if chats(endpoint.protocol) else ""
    return msgspec.structs.replace(chosen, **accepted, salt=salt)


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
    """What is to be typed on the machine of each worker, from its own checkout. It asks for the pairing secret."""
    host, _, port = plan.bind.rpartition(":")
    here = socket.gethostname() if host in ALL_ADDRESSES else host
    return f"python -m harness worker {here}:{port} --scenario {plan.scenario}"
