"""Flow control of a client connection: a client that does not read its responses is not read either."""

from __future__ import annotations

import asyncio


class PausingProtocol(asyncio.Protocol):
    """A protocol of asyncio whose subclasses set `_transport`; None: the connection is lost."""

    _transport: asyncio.Transport | None = None

    def pause_writing(self) -> None:
        """Stop reading; the event loop calls it where too many written bytes are unsent."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
