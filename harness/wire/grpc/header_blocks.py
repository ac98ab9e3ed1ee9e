"""Header blocks of HTTP/2, compressed by `hpack` (RFC 7541), each independent of the others.

The client sets the size of the server's header table to 0. Then no block depends on earlier ones, and a block that was
seen before is looked up by its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import hpack

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = dict[bytes, bytes]

MAX_BLOCK_BYTES = 64 << 10
MAX_KNOWN_BLOCKS = 1024
KNOWN_BLOCK_BYTES = 4096  # longer ones are rare, and would make the memory large

_TIMING = b"server-timing"
_TIMING_LITERAL = bytes([len(_TIMING)]) + _TIMING
_LITERALS = (0x00, 0x10, 0x40)  # a header with a name of its own: not indexed, never indexed, indexed
_LENGTH_BITS = 0x7F


class Http2Error(Exception):
    """The bytes are not HTTP/2, or the server gave up the connection."""


def encode_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """The block of these headers, none of which the server adds to its table."""
    return bytes(hpack.Encoder().encode([(name, value, True) for name, value in headers], huffman=False))


class HeaderBlocks:
    """Decoded header blocks by their bytes, shared by all connections to one server."""

    def __init__(self) -> None:
        self._known: dict[bytes, Headers] = {}

    def read(self, block: bytes) -> tuple[Headers, bytes]:
        """The headers, and the value of `server-timing`, which differs from response to response. Raises Http2Error."""
        known = self._known.get(block)
        if known is not None:
            return known, b""
        rest, timing = _split_timing(block)
        if timing:
            known = self._known.get(rest)
            if known is not None:
                return known, timing
        headers = _decode(block)
        found = headers.pop(_TIMING, b"")
        if timing == found and len(rest) <= KNOWN_BLOCK_BYTES and (not timing or _decode(rest) == headers):
            if len(self._known) >= MAX_KNOWN_BLOCKS:
                self._known.clear()
            self._known[rest] = headers
        return headers, found


def _decode(block: bytes) -> Headers:
    decoder = hpack.Decoder(MAX_BLOCK_BYTES)
    decoder.header_table_size = decoder.max_allowed_table_size = 0
    try:
        headers = decoder.decode(block, raw=True)
    except hpack.HPACKError as error:
        raise Http2Error(f"the server's headers cannot be read: {error}") from error
    return {bytes(name): bytes(value) for name, value in headers}


def _split_timing(block: bytes) -> tuple[bytes, bytes]:
    """The block without its plain `server-timing`, and that one's value; the whole block where it has none."""
    start = block.find(_TIMING_LITERAL)
    if start < 1 or block[start - 1] not in _LITERALS:
        return block, b""
    at = start + len(_TIMING_LITERAL)
    length, at = _length(block, at)
    if length < 0 or at + length > len(block):
        return block, b""
    return block[: start - 1] + block[at + length :], block[at : at + length]


def _length(block: bytes, at: int) -> tuple[int, int]:
    """A length of RFC 7541 (5.1, 5.2) at `at`, and where the text begins; -1 where the text is Huffman-coded."""
    first = block[at] if at < len(block) else 0x80
    if first & 0x80:
        return -1, at
    if first < _LENGTH_BITS:
        return first, at + 1
    length, shift = first, 0
    for position in range(at + 1, min(at + 4, len(block))):
        length += (block[position] & 0x7F) << shift
        shift += 7
        if not block[position] & 0x80:
            return length, position + 1
    return -1, at
