"""Builds HTTP responses as bytes: status line, headers, body. No clock, no socket."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from harness.clock import NS_PER_MS
from targets.servers.protocols.inference import JSON_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from targets.servers.protocols.errors import ProtocolError

OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"


def response(status_and_headers: bytes, body: bytes, connection: bytes = b"", *, wants_body: bool = True) -> bytes:
    """A whole response, or its head alone. `status_and_headers` and `connection` end with their line break."""
    sent = body if wants_body else b""
    return b"%scontent-length: %d\r\n%s\r\n%s" % (status_and_headers, len(body), connection, sent)


LAST_CHUNK = b"0\r\n\r\n"


def stream_head(status_and_headers: bytes, *, chunked: bool) -> bytes:
    """The head of a response of unknown length, sent in chunks or ended by closing the connection."""
    return b"%s%s\r\n" % (status_and_headers, b"transfer-encoding: chunked\r\n" if chunked else CLOSE)


def chunk(data: bytes) -> bytes:
    """`data` as one chunk (RFC 9112, section 7.1); it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def refusal(error: ProtocolError) -> tuple[bytes, bytes]:
    """(status line and headers, body) of `{"error": message}`."""
    return _refusal(error.status, str(error), error.headers)


@lru_cache(maxsize=64)
def _refusal(status: int, message: str, headers: bytes) -> tuple[bytes, bytes]:
    head = b"HTTP/1.1 %d %s\r\n%s%s" % (status, HTTPStatus(status).phrase.encode(), JSON_HEADERS, headers)
    return head, orjson.dumps({"error": message})


def timing_queue(queue_ns: int, batch_ns: int, rows: int, queued_at_ns: int) -> bytes:
    """The start of the `Server-Timing` line (in ms), which differs between the requests of a batch.

    `queued-at` is an instant on CLOCK_MONOTONIC: a client on the same machine learns from it how long its request took
    to get there.
    """
    return b'server-timing: queue;dur=%.6f, batch;dur=%.6f;desc="n=%d", queued-at;dur=%.3f, ' % (
        queue_ns / NS_PER_MS,
        batch_ns / NS_PER_MS,
        rows,
        queued_at_ns / NS_PER_MS,
    )


def timing_work(
    preprocess_ns: int, stages_ns: tuple[int, ...], serialise_ns: int, steps_ns: Mapping[str, int] | None = None
) -> bytes:
    """The rest of the `Server-Timing` line (in ms). `steps_ns` are the parts of `preprocess_ns` by name."""
    parts = b"preprocess;dur=%.6f, compute;dur=%.6f, serialise;dur=%.6f" % (
        preprocess_ns / NS_PER_MS,
        sum(stages_ns) / NS_PER_MS,
        serialise_ns / NS_PER_MS,
    )
    if len(stages_ns) > 1:
        stages = [b", stage-%d;dur=%.6f" % (stage, ns / NS_PER_MS) for stage, ns in enumerate(stages_ns, 1)]
        parts += b"".join(stages)
    if steps_ns:
        parts += b"".join([b", %s;dur=%.6f" % (name.encode(), ns / NS_PER_MS) for name, ns in steps_ns.items()])
    return parts + b"\r\n"
