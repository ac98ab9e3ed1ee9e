"""The life of a target process: bind, prepare, serve, listen to its parent, end.

The same for `python -m targets NAME` (a child with a control channel) and `python -m harness serve NAME`
(in the foreground of a terminal).
"""

from __future__ import annotations

import math
import os
import socket
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from harness.bank import Bank
from harness.errors import SweepspotError, UserError, unknown_name
from harness.knobs import Apply
from targets import TARGETS

if TYPE_CHECKING:
    from harness.control import ControlChannel, Message
    from harness.knobs import KnobSet, Setting
    from targets.servers.build import Built, Server


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the kernel choose."""

    host: str
    port: int

    def bind(self) -> socket.socket:
        """A bound socket that doesn't listen yet: clients are refused until the model is ready. Raises UserError."""
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"--host {self.host} --port {self.port}: {reason}; choose another port, or 0 for a free one"
            ) from error
        return sock


def serve(name: str, address: Address, model: str, setting: Setting, control: ControlChannel | None = None) -> None:
    """Serve `model` as target `name` until SIGTERM, SIGINT, or the parent's word or death.

    Tells the parent over `control`, or the user on standard output, when it is ready. Raises UserError.
    """
    knobs = _servable(name)
    complete = knobs.complete(setting)
    sock = address.bind()
    voice = _Voice(control)
    from targets.servers.build import build

    built = build(name, model, complete, voice.progress)
    url = _url(sock)

    def on_ready() -> None:
        voice.ready(url, built, complete)
        if control is not None:
            ear = _Ear(built.server, knobs, complete, control)
            control.watch(ear.hear, on_lost=built.server.stop)

    built.server.run(sock, on_ready)


def run_child(name: str, address: Address, model: str, setting: Setting, control: ControlChannel | None) -> int:
    """`serve`, with the exit code of a process: a failure is one line, on standard error and over `control`."""
    try:
        serve(name, address, model, setting, control)
    except SweepspotError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if control is not None:
            control.send({"event": "error", "message": str(error)})
        return int(error.exit_code)
    return 0


def _servable(name: str) -> KnobSet:
    servable = [spec.name for spec in TARGETS.values() if spec.command is not None]
    if name not in servable:
        raise unknown_name("server", name, servable)
    return TARGETS[name].knobs


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Voice:
    """Tells the parent, or else the user, how far it is."""

    def __init__(self, control: ControlChannel | None) -> None:
        self._control = control
        self._last_stage = ""

    def progress(self, stage: str, done: int, total: int) -> None:
        if self._control is not None:
            self._control.send({"event": "progress", "stage": stage, "done": done, "total": total})
        elif stage != self._last_stage:
            print(f"{stage} ...", file=sys.stderr, flush=True)
            self._last_stage = stage

    def ready(self, url: str, built: Built, setting: Setting) -> None:
        if self._control is None:
            print(_welcome(url, built), flush=True)
            return
        message: dict[str, Any] = {"event": "ready", "url": url, "pid": os.getpid(), "knobs": setting}
        message["model"] = msgspec.to_builtins(built.prepared.card)
        message["bank"] = str(built.prepared.bank_path)
        self._control.send(message)


class _Ear:
    """Does what the parent says."""

    def __init__(self, server: Server, knobs: KnobSet, setting: Setting, control: ControlChannel) -> None:
        self._server = server
        self._knobs = knobs
        self._setting = setting
        self._control = control
        self._lock = threading.Lock()

    def hear(self, message: Message) -> None:
        if message.get("stop"):
            self._server.stop()
        elif isinstance(message.get("set"), dict):
            try:
                self._set(message["set"])
            except UserError as error:
                self._control.send({"event": "error", "message": str(error)})

    def _set(self, changes: Setting) -> None:
        frozen = [name for name in changes if self._knobs[name].apply is not Apply.LIVE]
        if frozen:
            raise UserError(f"{', '.join(frozen)}: takes effect only at a restart of the target")
        setting = self._knobs.complete({**self._setting, **changes})

        def done() -> None:
            self._setting = setting
            self._control.send({"event": "set", "knobs": setting})

        self._server.set_knobs(setting, done)


def _welcome(url: str, built: Built) -> str:
    name = built.prepared.card.name
    values = ",".join(["0"] * math.prod(Bank.load(built.prepared.bank_path).meta.input_shape))
    predict = f"curl {url}/v1/models/{name}:predict -d '{{\"instances\":[[{values}]]}}'"
    return f"{name} at {url} (Ctrl-C stops it). Try:\n  {predict}"
