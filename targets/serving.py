"""The main loop of a target process: bind the socket, load the model, serve, obey the control channel, shut down.

`python -m targets NAME` uses it as a child with a control channel, `python -m harness serve NAME` in a terminal.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SweepspotError, UserError, unknown_name
from harness.plan.knobs import Apply
from harness.plan.target_spec import EmbeddedTarget
from harness.wire.credentials import read_token
from targets import TARGETS
from targets.certificate import made_certificate
from targets.listen_address import ListenAddress, authority_of, port_of
from targets.parent_reporter import ParentReporter, ReadyReport
from targets.servers.front_ends import FRONT_ENDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from harness.plan.knobs import KnobSet, Setting
    from harness.system.control_channel import ControlChannel, Message
    from targets.certificate import Certificate
    from targets.servers.build import Server


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
    front_sockets = _front_end_sockets(address.host, complete, replica)
    reporter = ParentReporter(control)
    from targets.server_order import ServerOrder
    from targets.servers.build import build
    from targets.servers.replica_counts import ReplicaCounts

    ports = {spec.port.name: port_of(front_sockets[spec.name]) for spec in FRONT_ENDS if spec.name in front_sockets}
    front_ends = {name: authority_of(front) for name, front in front_sockets.items()}
    replica_counts = None if replica is None else ReplicaCounts(replica.directory, replica.index)
    with _certificate(address, complete) as certificate:
        order = ServerOrder(name, model, {**complete, **ports}, front_ends, replica_counts, certificate, read_token())
        built = build(order, reporter.progress)

        def on_ready() -> None:
            reporter.ready(ReadyReport(authority_of(sock), order, built, complete))
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


def _front_end_sockets(host: str, setting: Setting, replica: ReplicaIdentity | None) -> dict[str, socket.socket]:
    """A bound socket for each further front end that `setting` turns on, by its name. Raises UserError."""
    addresses = {
        spec.name: ListenAddress(host, int(setting[spec.port.name])) for spec in FRONT_ENDS if spec.is_on(setting)
    }
    return {name: address.reserve() if replica is None else address.join() for name, address in addresses.items()}


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


class _ParentListener:
    """Executes the messages of the parent: stop, and set live knobs."""

    def __init__(self, server: Server, knobs: KnobSet, setting: Setting, control: ControlChannel) -> None:
        self._server = server
        self._knobs = knobs
        self._setting = setting
        self._control = control

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
