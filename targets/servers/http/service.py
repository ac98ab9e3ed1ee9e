"""The state of an HTTP server that its connections share, and the interfaces that it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.clock import monotonic_ns
from targets.servers.http.refusals import PacedRefusals

if TYPE_CHECKING:
    import asyncio

    from targets.servers.backend import Backend
    from targets.servers.http.head import HeadParser
    from targets.servers.http.routes import Action
    from targets.servers.protocols.errors import ProtocolError


class ConnectionTelemetry(Protocol):
    """The part of the telemetry that connections use."""

    def count_error(self, status: int) -> None:
        """Count one error response."""

    def publish(self) -> None:
        """Share the counters with the other replicas."""


class HttpProtocol(Protocol):
    """The part of a protocol that connections use."""

    @property
    def telemetry(self) -> ConnectionTelemetry:
        """The telemetry that counts error responses."""

    def document(self, action: Action, *, ready: bool) -> tuple[bytes, bytes]:
        """(content type, body) for a path that is not inference. May raise ProtocolError."""

    def refusal(self, error: ProtocolError) -> tuple[bytes, bytes]:
        """(status line and headers, body) of an error response."""


class ServedConnection(Protocol):
    """A connection, as the service closes it."""

    @property
    def busy(self) -> bool:
        """Whether a response is pending or a request is incomplete."""

    def close(self) -> None:
        """Close after the written bytes are sent."""

    def close_if_stale(self, now_ns: int) -> None:
        """Send 408 to a slow request; close an idle connection."""


class HttpService:
    """The state that the connections of one server share."""

    def __init__(self, protocol: HttpProtocol, backend: Backend, heads: HeadParser, max_body_bytes: int) -> None:
        self.protocol = protocol
        self.backend = backend
        self.heads = heads
        self.max_body_bytes = max_body_bytes
        self.connections: set[ServedConnection] = set()
        self.refusals = PacedRefusals()
        self.draining = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""
        self.refusals.start(loop, self.backend.rest)
        self.backend.start(loop)

    @property
    def ready(self) -> bool:
        """The readiness that health checks report."""
        return not self.draining and self.backend.able()

    def drain(self) -> None:
        """Let every further response close its connection."""
        self.draining = True

    def tick(self) -> None:
        """Close connections that are idle or slow for too long. Called about once a second."""
        self.protocol.telemetry.publish()
        now_ns = monotonic_ns()
        for connection in list(self.connections):
            connection.close_if_stale(now_ns)
