"""The flow-control windows of a client, and the responses that wait for them (RFC 9113, section 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.wire.grpc.http2 import DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_WINDOW
from targets.servers.grpc_v2 import frames
from targets.servers.grpc_v2.frames import ConnectionFaultError, Http2Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.servers.grpc_v2.call import GrpcCall


class ResponseWindows:
    """What the client of one connection takes."""

    def __init__(self) -> None:
        self.waiting: dict[int, GrpcCall] = {}  # whose response is begun but not complete, by stream
        self._window = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW

    def take(self, call: GrpcCall, size_bytes: int) -> bool:
        """Take `size_bytes` out of both windows; False where they do not allow so much."""
        if size_bytes > self._window or size_bytes > self._initial + call.granted_bytes:
            return False
        self._window -= size_bytes
        call.granted_bytes -= size_bytes
        return True

    def set(self, name: int, value: int) -> None:
        """Apply one setting of the client. Raises ConnectionFaultError where it is out of its range."""
        if name == frames.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise ConnectionFaultError(Http2Code.FLOW_CONTROL_ERROR, "the initial window is too large")
            self._initial = value
        elif (name == frames.ENABLE_PUSH and value > 1) or (
            name == frames.MAX_FRAME_SIZE and not MAX_FRAME_BYTES <= value <= frames.MOST_FRAME_BYTES
        ):
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "a setting is out of its range")

    def grant(self, more_bytes: int) -> None:
        """Enlarge the window of the connection. Raises ConnectionFaultError."""
        self._window += more_bytes
        if not more_bytes or self._window > MAX_WINDOW:
            raise ConnectionFaultError(Http2Code.FLOW_CONTROL_ERROR, "the window grows by nothing or too much")

    def grant_call(self, call: GrpcCall, more_bytes: int) -> bool:
        """Enlarge the window of a call; False where that is not allowed."""
        call.granted_bytes += more_bytes
        return bool(more_bytes) and self._initial + call.granted_bytes <= MAX_WINDOW

    def parts(self) -> Iterator[tuple[GrpcCall, memoryview]]:
        """The next part of each waiting response; after the last one its `unsent` is empty. The caller may drop it."""
        for call in list(self.waiting.values()):
            unsent = call.unsent
            size = min(len(unsent or b""), self._window, self._initial + call.granted_bytes)
            if unsent is not None and size > 0:
                self._window -= size
                call.granted_bytes -= size
                call.unsent = unsent[size:]
                yield call, unsent[:size]
