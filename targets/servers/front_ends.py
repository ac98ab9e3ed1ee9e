"""The registry of the front ends that `batched` can have besides HTTP. Importing this imports nothing heavy.

A new front end is one module with a `FrontEnd` and one entry in `FRONT_ENDS`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.plan.knobs import Knob

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.knobs import Setting
    from targets.certificate import Certificate
    from targets.servers.batched import BatchedBackend
    from targets.servers.http.event_server import FrontEnd
    from targets.servers.protocols.protocol import ProtocolLayer

    Opener = Callable[[ProtocolLayer, BatchedBackend, str, Certificate | None, int], FrontEnd]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndSpec:
    """One front end. `port` is its knob: 0 means a free port, -1 that the front end is off."""

    name: str  # the scheme of its URL; over TLS an s is appended
    port: Knob
    needs: str  # importable module
    remedy: str  # how to install it
    opener: str  # "module:class" in this package

    def is_on(self, setting: Setting) -> bool:
        """Whether `setting` turns the front end on. Raises UserError where its module is not installed."""
        if int(setting.get(self.port.name, -1)) < 0:
            return False
        if find_spec(self.needs) is None:
            raise UserError(f"{self.port.name}: {self.needs} is not installed; {self.remedy}")
        return True

    @property
    def open(self) -> Opener:
        """Makes the front end of (protocol, backend, host:port, certificate, maximum bytes of a message)."""
        module, _, name = self.opener.partition(":")
        opener: Opener = getattr(importlib.import_module(f"targets.servers.{module}"), name)
        return opener


FRONT_ENDS = (
    FrontEndSpec(
        name="grpc",
        port=Knob(
            name="grpc_port",
            doc="Port of the Open Inference Protocol over gRPC; 0: a free port, -1: no gRPC.",
            default=-1,
            swept=(-1,),
            minimum=-1,
            maximum=65_535,
        ),
        needs="hpack",
        remedy="pip install hpack",
        opener="grpc_v2.server:GrpcFrontEnd",
    ),
)
