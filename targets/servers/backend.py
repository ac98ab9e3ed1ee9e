"""What answers inference requests on the event loop, whatever protocol they came by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from targets.servers.http.exchange import Exchange


class Backend(Protocol):
    """Everything is called from the event loop."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""

    def able(self) -> bool:
        """Whether it can answer at all now; always, where it computes in this process."""
        return True

    def has_room(self) -> bool:
        """Whether one request more would be taken; asked before its body is read."""

    def infer(self, exchange: Exchange, body: bytes) -> bool:
        """Answer `exchange`, now or later; False where there is no room for it. May raise ProtocolError."""

    def rest(self) -> None:
        """Leave the core to the batch under way for a moment, if it computes on this one; called in overload."""
        return

    def stop(self) -> None:
        """Called once, after the last answer."""
