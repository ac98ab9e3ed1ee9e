"""The interface of backends, which respond to inference requests on the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from targets.servers.http.exchange import HttpExchange


class Backend(Protocol):
    """Responds to the inference requests of one server. All methods are called from the event loop."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""

    def able(self) -> bool:
        """Whether the backend can compute at all now; always true where it computes in this process."""
        return True

    def has_room(self) -> bool:
        """Whether the backend would accept one more request. Called before the body is read."""

    def infer(self, exchange: HttpExchange, body: bytes) -> bool:
        """Respond to `exchange`, now or later; False where there is no room for it. May raise ProtocolError."""

    def rest(self) -> None:
        """Block briefly so that a batch that computes on this core gets it. Called in overload."""
        return

    def stop(self) -> None:
        """Called once, after the last response."""
