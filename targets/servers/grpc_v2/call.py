"""One unary call: a stream of HTTP/2, its message as far as it has arrived, and its pending response."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from targets.servers.grpc_v2.call_heads import CallHead
    from targets.servers.protocols.inference import InferRequest

PREFIX_BYTES = 5  # of a message: whether it is compressed, and its length
ONE_MESSAGE = "a unary call has exactly one message"
_WINDOW_BITS = {b"gzip": 31, b"deflate": 15}


class CallChannel(Protocol):
    """A connection that writes the responses of its calls."""

    def send(self, call: GrpcCall, message: bytes, timing: bytes) -> None:
        """Write a response message, and the value of `server-timing` as a trailer."""

    def send_error(self, call: GrpcCall, error: ProtocolError) -> None:
        """Write the status of a failed call and count it."""


class GrpcCall:
    """While it waits for the model it is an item of the batch queue."""

    __slots__ = (
        *("_channel", "age_ticks", "arrived_ns", "body", "cancelled", "expires_ns", "expires_call_ns", "granted_bytes"),
        *("half_closed", "head", "request", "rows", "stream", "trailers", "unsent"),
    )

    request: InferRequest
    rows: int
    arrived_ns: int
    expires_ns: int

    def __init__(self, channel: CallChannel, stream: int, head: CallHead) -> None:
        self._channel = channel
        self.stream = stream
        self.head = head
        self.body: bytearray | None = None  # received, with its prefix
        self.half_closed = False  # the client has sent everything
        self.cancelled = False
        self.expires_call_ns: int | None = None  # the call's deadline
        self.age_ticks = 0  # since it began, or since a part of its response was sent
        self.granted_bytes = 0  # what the client allowed beyond its initial window, less what was sent
        self.unsent: memoryview | None = None  # of a response that waits for the client's windows
        self.trailers = b""

    def deliver(self, headers: bytes, timing: bytes, body: bytes) -> None:
        """Send the prediction; `timing` is a whole header line."""
        del headers
        self._channel.send(self, body, timing.partition(b": ")[2].rstrip())

    def send(self, message: bytes) -> None:
        """Send a response message that no model computed."""
        self._channel.send(self, message, b"")

    def refuse(self, error: ProtocolError) -> None:
        """Send the protocol's error response and count it."""
        self._channel.send_error(self, error)

    def receive(self, data: bytes, max_bytes: int) -> None:
        """Add a part of the message. Raises ProtocolError where it is too large, or more than one."""
        body = self.body
        if body is None:
            body = self.body = bytearray()
        body += data
        if len(body) < PREFIX_BYTES:
            return
        size = int.from_bytes(body[1:PREFIX_BYTES], "big")
        if size > max_bytes:
            raise too_large(max_bytes)
        if len(body) > PREFIX_BYTES + size:
            raise ProtocolError(400, ONE_MESSAGE)


def message_of(body: bytes | bytearray, encoding: bytes, max_bytes: int) -> bytes:
    """The only message in all that a call has sent, decompressed from `encoding`. Raises ProtocolError."""
    size = int.from_bytes(body[1:PREFIX_BYTES], "big")
    if size > max_bytes:
        raise too_large(max_bytes)
    if len(body) != PREFIX_BYTES + size:
        raise ProtocolError(400, ONE_MESSAGE)
    message = bytes(memoryview(body)[PREFIX_BYTES:])
    if body[0] == 0:
        return message
    if body[0] != 1 or encoding == b"identity":
        raise ProtocolError(400, "the message's compression flag fits no grpc-encoding")
    return decompressed(message, encoding, max_bytes)


def decompressed(data: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """A message of `encoding`. Raises ProtocolError where it is unknown, broken, or larger than `max_bytes`."""
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        raise ProtocolError(501, "grpc-encoding: only identity, gzip and deflate are understood")
    inflate = zlib.decompressobj(bits)
    try:
        message = inflate.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise ProtocolError(400, "the compressed message is broken") from error
    if len(message) > max_bytes:
        raise too_large(max_bytes)
    if not inflate.eof or inflate.unused_data:
        raise ProtocolError(400, "the compressed message is broken")
    return message


def too_large(max_bytes: int) -> ProtocolError:
    """The error of a message that is larger than this server takes."""
    return ProtocolError(413, f"the message is larger than {max_bytes} bytes")
