"""The main loop of a target process: bind the socket, load the model, serve, obey the control channel, shut down.

`python -m targets NAME` uses it as a child with a control channel, `python -m harness serve NAME` in a terminal.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from harness.errors import SweepspotError, UserError, unknown_name
from harness.plan.knobs import Apply
from harness.plan.target_spec import EmbeddedTarget
from harness.wire.credentials import read_token
from harness.wire.payload_bank import Bank
from targets import TARGETS
from targets.certificate import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.child_process import ControlChannel, Message
    from harness.plan.knobs import KnobSet, Setting
    from targets.certificate import Certificate
    from targets.servers.build import Built, Server
    from targets.servers.server_order import ServerOrder


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The host and port to listen on (0: a free port), and the user's certificate if there is one."""

    host: str
    port: int
    certificate: Certificate | None = None

    def bind(self) -> socket.socket:
        """Bind a socket that does not listen yet: clients are refused until the model is ready. Raises UserError."""
        return self._bind(socket.SO_REUSEADDR)

    def reserve(self) -> socket.socket:
        """Bind a port on which further sockets of this user will listen (SO_REUSEPORT). Raises UserError."""
        self.bind().close()  # fails where another server uses the port
        return self.join()

    def join(self) -> socket.socket:
        """Bind a port that the parent has reserved. Raises UserError."""
        return self._bind(socket.SO_REUSEADDR, socket.SO_REUSEPORT)

    def _bind(self, *options: int) -> socket.socket:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind, protocol)
            for option in options:
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            sock.bind(where)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"--host {self.host} --port {self.port}: {reason}; choose another port, or 0 for a free one"
            ) from error
        return sock


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """The number of this process among the replicas of a server, and the folder that the replicas share."""

    index: int
    directory: Path


def serve(
    name: str,
    address: ListenAddress,
    model: str,
    setting: Setting,
    control: ControlChannel | None = None,
    *,
    replica: ReplicaIdentity | None = None,
) -> None:
    """Serve `model` as target `name` until SIGTERM, SIGINT, a stop message or the death of the parent.

    Reports readiness to the parent over `control`, or to the user on standard output. Raises UserError.
    """
    knobs = _servable(name)
    complete = knobs.complete(setting)
    sock = _listening_socket(address, complete, replica)
    grpc_sock = _grpc_socket(address.host, complete, replica)
    reporter = _ParentReporter(control)
    from targets.servers.build import build
    from targets.servers.replica_counts import ReplicaCounts
    from targets.servers.server_order import ServerOrder

    grpc_address = "" if grpc_sock is None else _authority(grpc_sock)
    built_setting = complete if grpc_sock is None else {**complete, "grpc_port": grpc_sock.getsockname()[1]}
    replica_counts = None if replica is None else ReplicaCounts(replica.directory, replica.index)
    with _certificate(address, complete) as certificate:
        order = ServerOrder(name, model, built_setting, grpc_address, replica_counts, certificate, read_token())
        built = build(order, reporter.progress)

        def on_ready() -> None:
            reporter.ready(ReadyReport(_authority(sock), order, built, complete))
            if control is not None:
                listener = _ParentListener(built.server, knobs, complete, control)
                control.watch(listener.on_message, on_lost=built.server.stop)

        built.server.run(sock, on_ready)


@contextlib.contextmanager
def _certificate(address: ListenAddress, setting: Setting) -> Iterator[Certificate | None]:
    """The user's certificate, a temporary one where the knob `tls` is on, or None."""
    if address.certificate is not None or not setting.get("tls"):
        yield address.certificate
        return
    with made_certificate(address.host) as made:
        yield made


def _listening_socket(address: ListenAddress, setting: Setting, replica: ReplicaIdentity | None) -> socket.socket:
    if replica is not None:
        return address.join()
    return address.bind() if int(setting.get("replicas", 1)) == 1 else address.reserve()


def _grpc_socket(host: str, setting: Setting, replica: ReplicaIdentity | None) -> socket.socket | None:
    port = int(setting.get("grpc_port", -1))
    if port < 0:
        return None
    if find_spec("grpc") is None:
        raise UserError("grpc_port: gRPC is not installed; pip install grpcio")
    address = ListenAddress(host, port)
    return address.reserve() if replica is None else address.join()


def run_child(
    name: str,
    address: ListenAddress,
    model: str,
    setting: Setting,
    control: ControlChannel | None,
    *,
    replica: ReplicaIdentity | None = None,
) -> int:
    """Run `serve` and return an exit code. An error is one line on standard error and over `control`."""
    try:
        serve(name, address, model, setting, control, replica=replica)
    except SweepspotError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if control is not None:
            control.send({"event": "error", "message": str(error)})
        return int(error.exit_code)
    return 0


def _servable(name: str) -> KnobSet:
    servable = [spec.name for spec in TARGETS.values() if isinstance(spec, EmbeddedTarget)]
    if name not in servable:
        raise unknown_name("server", name, servable)
    return TARGETS[name].knobs


def _authority(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class ReadyReport:
    """What a server reports once clients can connect."""

    authority: str
    order: ServerOrder
    built: Built
    setting: Setting

    @property
    def url(self) -> str:
        """The HTTP URL."""
        return f"{'https' if self.order.certificate else 'http'}://{self.authority}"

    @property
    def grpc_url(self) -> str:
        """The gRPC URL; empty without gRPC."""
        scheme = "grpcs" if self.order.certificate else "grpc"
        return f"{scheme}://{self.order.grpc_address}" if self.order.grpc_address else ""

    @property
    def tls_authority(self) -> Path | None:
        """The authority that clients must trust, for a temporary certificate."""
        return self.order.certificate.authority if self.order.certificate else None


class _ParentReporter:
    """Reports progress and readiness to the parent, or to the user where there is no parent."""

    def __init__(self, control: ControlChannel | None) -> None:
        self._control = control
        self._last_stage = ""

    def progress(self, stage: str, done: int, total: int) -> None:
        if self._control is not None:
            self._control.send({"event": "progress", "stage": stage, "done": done, "total": total})
        elif stage != self._last_stage:
            print(f"{stage} ...", file=sys.stderr, flush=True)
            self._last_stage = stage

    def ready(self, ready: ReadyReport) -> None:
        built = ready.built
        if self._control is None:
            print(_welcome(ready), flush=True)
            return
        message: dict[str, Any] = {"event": "ready", "url": ready.url, "pid": os.getpid(), "knobs": ready.setting}
        if ready.grpc_url:
            message["grpc_url"] = ready.grpc_url
        if ready.tls_authority:
            message["tls_ca"] = str(ready.tls_authority)
        message["model"] = msgspec.to_builtins(built.prepared.card)
        message["bank"] = str(built.prepared.bank_path)
        message["class_banks"] = {verb: str(path) for verb, path in built.class_banks.items()}
        self._control.send(message)


class _ParentListener:
    """Executes the messages of the parent: stop, and set live knobs."""

    def __init__(self, server: Server, knobs: KnobSet, setting: Setting, control: ControlChannel) -> None:
        self._server = server
        self._knobs = knobs
        self._setting = setting
        self._control = control
        self._lock = threading.Lock()

    def on_message(self, message: Message) -> None:
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
            raise UserError(f"{', '.join(frozen)}: can only change with a restart of the target")
        setting = self._knobs.complete({**self._setting, **changes})

        def done() -> None:
            self._setting = setting
            self._control.send({"event": "set", "knobs": setting})

        self._server.set_knobs(setting, done)


def _welcome(ready: ReadyReport) -> str:
    name = ready.built.prepared.card.name
    grpc = f" and {ready.grpc_url}" if ready.grpc_url else ""
    return f"{name} at {ready.url}{grpc} (Ctrl-C stops it). Try:\n  {_example(ready)}"


def _example(ready: ReadyReport) -> str:
    """A curl command that sends one request."""
    prepared = ready.built.prepared
    curl = f"curl --cacert {ready.tls_authority}" if ready.tls_authority else "curl"
    if ready.order.token:
        curl += ' -H "Authorization: Bearer $SWEEPSPOT_TOKEN"'
    if prepared.bank_path.suffix == ".json":
        body = '{"messages":[{"role":"user","content":"What is AI?"}],"max_tokens":40,"stream":true}'
        return f"{curl} -N {ready.url}/v1/chat/completions -d '{body}'"
    item = orjson.dumps(Bank.load(prepared.bank_path).inputs[0], option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return f"{curl} {ready.url}/v1/models/{prepared.card.name}:predict -d '{{\"instances\":[{item}]}}'"
