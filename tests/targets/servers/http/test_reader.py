from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.servers.http.head import MAX_HEAD_BYTES, Head, HeadParser
from targets.servers.http.reader import RequestReader
from targets.servers.http.routes import Action, ModelRoutes

if TYPE_CHECKING:
    from targets.servers.protocols.errors import ProtocolError

MAX_BODY_BYTES = 1000


class Sink:
    """Remembers what a reader tells it; a head with a refusal is answered at once."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []
        self.failures: list[int] = []

    def begin(self, head: Head) -> Head | None:
        self.heads.append(head)
        return None if head.refusal else head

    def complete(self, exchange: Head, body: bytes) -> None:
        del exchange
        self.bodies.append(body)

    def fail(self, exchange: Head, error: ProtocolError) -> None:
        del exchange
        self.failures.append(error.status)


def read(*parts: bytes) -> tuple[Sink, RequestReader[Head]]:
    sink = Sink()
    reader = RequestReader(HeadParser(ModelRoutes("tiny"), MAX_BODY_BYTES), sink, MAX_BODY_BYTES)
    for part in parts:
        reader.feed(part)
    return sink, reader


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /v2/models/tiny/infer HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CHUNKED = (
    b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"
)
STREAM = post(b"first") + b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" + CHUNKED + post(b"") + post(b"last")


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pipelined_requests_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    sink, reader = read(*(STREAM[start:stop] for start, stop in pairwise(edges)))
    assert sink.bodies == [b"first", b"", b"hello0123456789", b"", b"last"]
    wanted = [Action.V2_INFER, Action.METRICS, Action.TFS_PREDICT, Action.V2_INFER, Action.V2_INFER]
    assert [head.action for head in sink.heads] == wanted
    assert not reader.in_request


def test_byte_by_byte() -> None:
    sink, _ = read(*(bytes([byte]) for byte in STREAM))
    assert sink.bodies == [b"first", b"", b"hello0123456789", b"", b"last"]


def test_the_body_of_a_refused_request_is_thrown_away_and_the_connection_goes_on() -> None:
    sink, _ = read(post(b"x" * (MAX_BODY_BYTES + 1)), post(b"next"))
    assert [head.refusal.status if head.refusal else None for head in sink.heads] == [413, None]
    assert sink.bodies == [b"next"]


def test_a_chunked_body_that_grows_too_large_ends_the_connection() -> None:
    chunk = b"%x\r\n%s\r\n" % (600, b"x" * 600)
    sink, _ = read(CHUNKED.partition(b"5;")[0] + chunk + chunk, post(b"never read"))
    assert (sink.failures, sink.bodies) == ([413], [])


@pytest.mark.parametrize("size", [b"", b"g", b"-5", b"0x5", b"5 5"])
def test_a_malformed_chunk_ends_the_connection(size: bytes) -> None:
    sink, _ = read(CHUNKED.partition(b"5;")[0] + size + b"\r\nhello\r\n0\r\n\r\n")
    assert (sink.failures, sink.bodies) == ([400], [])


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"GET /v2\r\n\r\n",
        post(b"", b"Content-Length: 3"),
        post(b"", b"Transfer-Encoding: chunked"),
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["no HTTP", "no version", "two lengths", "length and chunks", "negative length", "upgrade"],
)
def test_what_is_no_sound_request_is_refused_and_ends_the_connection(raw: bytes) -> None:
    sink, _ = read(raw, post(b"never read"))
    head = sink.heads[0]
    assert head.refusal
    assert head.refusal.status == 400
    assert head.closes


def test_an_endless_head_is_refused() -> None:
    sink, _ = read(b"GET /v2 HTTP/1.1\r\n", b"X: " + b"y" * MAX_HEAD_BYTES)
    assert [head.refusal.status for head in sink.heads if head.refusal] == [431]


def test_headers_that_matter_are_understood() -> None:
    sink, _ = read(post(b"", b"EXPECT: 100-continue", b"inference-header-content-length: 7", b"Connection: close"))
    head = sink.heads[0]
    assert (head.expects_continue, head.json_length, head.closes) == (True, 7, True)


def test_http_1_0_keeps_alive_only_where_asked() -> None:
    sink, _ = read(b"GET /v2 HTTP/1.0\r\n\r\n", b"GET /v2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert [head.connection for head in sink.heads] == [b"connection: close\r\n", b"connection: keep-alive\r\n"]


def test_head_is_get_without_a_body_in_the_response() -> None:
    sink, _ = read(*(b"%s /v2 HTTP/1.1\r\nHost: x\r\n\r\n" % method for method in (b"HEAD", b"GET", b"POST")))
    assert [head.wants_body for head in sink.heads] == [False, True, True]
    assert [head.action for head in sink.heads[:2]] == [Action.SERVER, Action.SERVER]
    assert [head.refusal is None for head in sink.heads] == [True, True, False]
    assert sink.heads[2].refusal
    assert sink.heads[2].refusal.headers == b"allow: GET, HEAD\r\n"


def test_a_compressed_body_is_refused() -> None:
    sink, _ = read(post(b"x", b"Content-Encoding: gzip"))
    assert sink.heads[0].refusal
    assert sink.heads[0].refusal.status == 415
