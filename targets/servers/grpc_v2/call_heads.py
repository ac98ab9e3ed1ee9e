"""Decodes the header blocks of calls, compressed by `hpack` (RFC 7541).

A client repeats the header block of a method from its second call on, so decoded blocks are kept by their bytes. What a
block means depends on the connection's header table: a block is kept only where it left the table as it was, and all
are dropped where another block changes the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hpack

from harness.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from targets.servers.grpc_v2.frames import MAX_HEADER_BYTES, ConnectionFaultError, Http2Code
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Resolve = Callable[[str, bytes], None]  # of a path and the value of `authorization`; may raise ProtocolError

MAX_KNOWN_BLOCKS = 64
KNOWN_BLOCK_BYTES = 2048
TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
UNITS_NS = {b"H": 3600 * NS_PER_S, b"M": 60 * NS_PER_S, b"S": NS_PER_S, b"m": NS_PER_MS, b"u": NS_PER_US, b"n": 1}
PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
OF_HTTP_1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")


@dataclass(frozen=True, slots=True)
class CallHead:
    """The meaning of a header block: the path, or why the call is refused. `malformed`: it is no request of HTTP/2."""

    path: str = ""
    timeout_ns: int | None = None
    encoding: bytes = b"identity"  # of messages whose flag says that they are compressed
    http_status: int = 200  # another one: the request is not gRPC
    refusal: ProtocolError | None = None
    malformed: bool = False


MALFORMED = CallHead(malformed=True)


class HeadReader:
    """The header blocks of one connection, in the order in which they came."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._decoder = hpack.Decoder(MAX_HEADER_BYTES)
        self._known: dict[bytes, CallHead] = {}

    def read(self, block: bytes) -> CallHead:
        """The meaning of `block`. Raises ConnectionFaultError where it cannot be decoded."""
        known = self._known.get(block)
        if known is not None:
            return known
        table = self._decoder.header_table.dynamic_entries
        before = len(table), table[0] if table else None
        try:
            headers = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFaultError(Http2Code.ENHANCE_YOUR_CALM, "the headers are too long") from error
        except hpack.HPACKError as error:
            raise ConnectionFaultError(Http2Code.COMPRESSION_ERROR, "the headers cannot be decoded") from error
        head = self._head([(bytes(name), bytes(value)) for name, value in headers])
        # An added entry is another object than the first one before, even where it is equal.
        if before[0] != len(table) or (table and table[0] is not before[1]):
            self._known.clear()
        elif len(block) <= KNOWN_BLOCK_BYTES and len(self._known) < MAX_KNOWN_BLOCKS and not _resizes(block):
            self._known[block] = head
        return head

    def _head(self, headers: list[tuple[bytes, bytes]]) -> CallHead:
        found = _request(headers)
        if found is None:
            return MALFORMED
        content_type = found.get(b"content-type", b"")
        if found[b":method"] != b"POST":
            return CallHead(http_status=405)
        if content_type != b"application/grpc" and not content_type.startswith(
            (b"application/grpc+", b"application/grpc;")
        ):
            return CallHead(http_status=415)
        path = found[b":path"].decode("latin-1")
        try:
            self._resolve(path, found.get(b"authorization", b""))
            return CallHead(path, _timeout_ns(found.get(b"grpc-timeout")), found.get(b"grpc-encoding", b"identity"))
        except ProtocolError as error:
            return CallHead(path, refusal=error)


def _resizes(block: bytes) -> bool:
    """Whether the block begins with a new size of the table, which has to be applied each time."""
    return bool(block) and block[0] & 0xE0 == 0x20


def _request(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """The headers by name; None where they are no request (RFC 9113, section 8)."""
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in headers:
        if name.startswith(b":"):
            if regular or name not in PSEUDO or name in found:
                return None
        elif name in OF_HTTP_1 or not NAME.fullmatch(name):
            return None
        else:
            regular = True
        found.setdefault(name, value)
    return found if all(found.get(name) for name in (b":method", b":scheme", b":path")) else None


def _timeout_ns(text: bytes | None) -> int | None:
    if text is None:
        return None
    found = TIMEOUT.fullmatch(text)
    if found is None:
        raise ProtocolError(400, "grpc-timeout: needs up to 8 digits and a unit")
    return int(found[1]) * UNITS_NS[found[2]]
