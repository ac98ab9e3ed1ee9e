import gc
import gzip
import http.client
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.load.connections import http_parser
from harness.measure.load.connections.http_parser import HttpError, ResponseParser, parse_head, split_timing
from harness.wire.http import llhttp_parser

TIMING = b'queue;dur=1.234, batch;dur=0.400;desc="n=8", compute;dur=3.1'


def parsed(pieces, *, close=False):
    """All answers that the pieces hold, and whether the parser was left with something unfinished."""
    parser = ResponseParser()
    answers = []
    for piece in pieces:
        answer = parser.feed(piece)
        while answer is not None:
            answers.append((answer.status, answer.body, answer.timing, answer.keep_alive))
            answer = parser.feed(b"") if parser.started else None
    if close:
        answer = parser.eof()
        if answer is not None:
            answers.append((answer.status, answer.body, answer.timing, answer.keep_alive))
    return answers, parser.started


def by_the_standard_library(raw):
    class Socket:
        def makefile(self, mode):
            assert mode == "rb"
            return io.BytesIO(raw)

    answer = http.client.HTTPResponse(Socket(), method="POST")
    answer.begin()
    body = answer.read()
    if answer.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    timing = ", ".join(answer.headers.get_all("Server-Timing") or []).encode()
    return answer.status, body, timing, not answer.will_close


def chunked(body, sizes):
    out, at = [], 0
    for size in sizes:
        part = body[at : at + size]
        if part:
            out.append(b"%x;ext=1\r\n%b\r\n" % (len(part), part))
        at += size
    rest = body[at:]
    if rest:
        out.append(b"%X\r\n%b\r\n" % (len(rest), rest))
    return b"".join(out) + b"0\r\nX-Trailer: t\r\n\r\n"


@st.composite
def answers(draw):
    """(bytes, ends by close) of one answer in one of many forms."""
    body = draw(st.binary(max_size=200))
    status = draw(st.sampled_from([b"200 OK", b"200", b"503 Service Unavailable", b"500 a\xe9b", b"404 "]))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]))
    headers = draw(
        st.lists(
            st.sampled_from(
                [
                    b"Date: Tue, 24 Nov 2026 04:00:00 GMT",
                    b"x-request-id:7",
                    b"Connection: keep-alive",
                    b'ETag:  "a:b" ',
                    b"Server-Timing: " + TIMING,
                    b"server-timing:queue;dur=9",
                    b"X-Empty:",
                    b"Connection: close",
                ]
            ),
            unique_by=lambda line: line.split(b":")[0],
            max_size=4,
        )
    )
    if draw(st.booleans()) and any(line.startswith(b"Server-Timing") for line in headers):
        headers.append(b"Server-Timing: second;dur=1")
    if draw(st.booleans()):
        headers.append(b"Content-Encoding: gzip")
        body = gzip.compress(body, mtime=0)
    framing = draw(st.sampled_from(["length", "length", "LENGTH", "chunked", "close"]))
    if framing == "chunked" and version == b"HTTP/1.1":
        headers.append(b"Transfer-Encoding: chunked")
        wire = chunked(body, draw(st.lists(st.integers(1, 50), max_size=4)))
    elif framing == "close" or framing == "chunked":
        headers = [line for line in headers if not line.lower().startswith(b"connection")] + [b"Connection: close"]
        wire = body
        framing = "close"
    else:
        headers.append(b"%b: %d" % (b"content-length" if framing == "length" else b"Content-Length", len(body)))
        wire = body
    headers = draw(st.permutations(headers))
    informational = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    head = b"\r\n".join([version + b" " + status, *headers]) + b"\r\n\r\n"
    return informational + head + wire, framing == "close"


@settings(max_examples=150, deadline=None)
@given(answers())
def test_every_split_gives_what_the_standard_library_reads(case):
    raw, close = case
    status, body, timing, keep_alive = by_the_standard_library(raw)
    expected = [(status, body, timing, keep_alive)]
    assert parsed([raw], close=close) == (expected, False)
    for at in range(1, len(raw)):
        assert parsed([raw[:at], raw[at:]], close=close) == (expected, False)
    assert parsed([raw[at : at + 1] for at in range(len(raw))], close=close) == (expected, False)


@settings(max_examples=100, deadline=None)
@given(st.lists(answers().filter(lambda case: not case[1]), min_size=2, max_size=3), st.data())
def test_answers_behind_one_another_come_in_order(cases, data):
    alive = [raw for raw, _ in cases if by_the_standard_library(raw)[3]]
    raw = b"".join(alive)
    cut = data.draw(st.integers(0, len(raw)))
    got, unfinished = parsed([raw[:cut], raw[cut:]])
    assert got == [by_the_standard_library(one) for one in alive]
    assert not unfinished


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_noise_is_an_error_or_unfinished_but_nothing_else(noise, cut):
    parser = ResponseParser()
    try:
        for piece in (noise[:cut], noise[cut:]):
            if piece:
                parser.feed(piece)
        parser.eof()
    except HttpError:
        pass


@settings(max_examples=300, deadline=None)
@given(answers(), st.data())
def test_a_damaged_answer_is_never_taken_for_a_longer_or_shorter_one(case, data):
    raw, close = case
    head_end = raw.index(b"\r\n\r\n")
    at = data.draw(st.integers(0, head_end))
    damaged = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    try:
        whole = parsed([damaged], close=close)
    except HttpError:
        whole = None
    try:
        byte_by_byte = parsed([damaged[n : n + 1] for n in range(len(damaged))], close=close)
    except HttpError:
        byte_by_byte = None
    if whole is not None and byte_by_byte is not None:
        assert whole[0][:1] == byte_by_byte[0][:1]


def test_a_common_head_takes_the_fast_path_and_an_odd_one_does_not():
    common = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12"
    assert parse_head(common) == (200, 12, True, b"")
    assert parse_head(common + b"\r\nConnection: Close") == (200, 12, False, b"")
    for odd in (
        b"\r\nContent-Length: 12",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\ncontent-encoding: gzip",
        b"\r\n folded",
        b"\r\nUpgrade: h2c",
        b"\r\nconnection: upgrade",
        b"\r\nbad name: 1",
        b"\r\nx: a\x00b",
        b"\r\nserver-timing: a",
    ):
        assert parse_head(common + odd) is None, odd
    assert parse_head(b"HTTP/1.0 200 OK\r\nContent-Length: 1") is None
    assert parse_head(b"HTTP/1.1 204 No Content\r\nContent-Length: 0") is None
    assert parse_head(b"HTTP/1.1 200 OK") is None
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: -1") is None
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 1_0") is None


def test_server_timing_is_cut_out_of_the_head():
    assert split_timing(b"S\r\nServer-Timing: a;dur=1\r\nX: 1") == (b"S\r\nX: 1", b"a;dur=1")
    assert split_timing(b"S\r\nX: 1\r\nserver-timing:a;dur=1 ") == (b"S\r\nX: 1", b"a;dur=1")
    assert split_timing(b"S\r\nX: 1") == (b"S\r\nX: 1", b"")


def test_heads_are_learnt_once_and_bounded(monkeypatch):
    monkeypatch.setattr(http_parser, "MAX_KNOWN_HEADS", 4)
    heads = {}
    for number in range(20):
        answer = ResponseParser(heads).feed(b"HTTP/1.1 200 OK\r\nx: %d\r\ncontent-length: 1\r\n\r\n!" % number)
        assert answer.body == b"!"
        assert len(heads) <= 4


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * (70 << 10),
        b"HTTP/1.1 200 OK\r\ny: " + b"x" * (70 << 10) + b"\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ny: " + b"x" * (70 << 10),
    ],
)
def test_what_is_beyond_the_bounds_is_an_error(raw):
    with pytest.raises(HttpError):
        parsed([raw], close=True)


def test_the_bound_on_a_compressed_body_holds_for_the_plain_one(monkeypatch):
    monkeypatch.setattr(llhttp_parser, "MAX_BODY_BYTES", 1000)
    for body, encoding in ((gzip.compress(b"0" * 5000), b"gzip"), (zlib.compress(b"0" * 5000), b"deflate")):
        with pytest.raises(HttpError, match="too long"):
            parsed(
                [
                    b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b"
                    % (encoding, len(body), body)
                ]
            )


def compressed(body, encoding=b"gzip", status=b"200 OK"):
    head = b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (status, encoding, len(body)) + body


def test_a_body_of_several_gzip_members_is_read_to_its_end(monkeypatch):
    members = [gzip.compress(part) for part in (b'{"label": ', b"", b'"cat"}')]
    assert parsed([compressed(b"".join(members))])[0][0][:2] == (200, b'{"label": "cat"}')
    for broken in (b"".join(members)[:-3], members[0] + b"rubbish"):
        with pytest.raises(HttpError, match=r"cut short|damaged"):
            parsed([compressed(broken)])
    monkeypatch.setattr(llhttp_parser, "MAX_BODY_BYTES", 1000)
    assert len(parsed([compressed(gzip.compress(b"0" * 500) * 2)])[0][0][1]) == 1000
    with pytest.raises(HttpError, match="too long"):
        parsed([compressed(gzip.compress(b"0" * 501) * 2)])


def test_a_response_without_a_body_is_whole_whatever_encoding_it_declares():
    assert parsed([b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"]) == ([(204, b"", b"", True)], False)
    with pytest.raises(HttpError, match="cut short"):
        parsed([compressed(b"")])  # nothing, compressed, is 20 bytes


def test_a_transfer_coding_besides_chunks_is_refused_by_name():
    packed = gzip.compress(b"yes")
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunked(packed, [])
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
        with pytest.raises(HttpError, match="transfer coding gzip; the request did not ask for it"):
            parsed(pieces)


def test_a_head_whose_lines_end_without_cr_is_refused_at_once():
    raw = b"HTTP/1.1 200 OK\nServer-Timing: queue;dur=1\nContent-Length: 3\n\nyes"
    odd_line = raw.replace(b"\n", b"\r\n").replace(b"dur=1\r\n", b"dur=1\n")
    for head in (raw, odd_line):
        for pieces in ([head], [head[at : at + 1] for at in range(len(head))]):
            with pytest.raises(HttpError, match=r"Missing expected (CR|LF)"):
                parsed(pieces)


def test_a_cut_answer_is_an_error_at_the_end():
    ok = b"HTTP/1.1 200 OK\r\n"
    for raw in (
        ok + b"Content-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200",
        ok + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ):
        with pytest.raises(HttpError):
            parsed([raw], close=True)
    assert parsed([], close=True) == ([], False)


def test_the_size_on_the_wire_is_known():
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert ResponseParser().feed(raw).size_bytes == len(raw)
    parser = ResponseParser()
    parser.feed(raw[:-2])
    assert parser.missing_bytes == 2
    assert parser.feed(raw[-2:]).size_bytes == len(raw)
    odd = raw.replace(b"Content", b"Connection: keep-alive, x\r\nContent")
    assert ResponseParser().feed(odd).size_bytes == len(odd)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\nyes"


def garbage_of(respond, count=500):
    """How many objects of `count` responses only a garbage collection can free."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(count):
            respond()
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("odd", [b"", b"Content-Encoding: gzip\r\n", b"Connection: keep-alive, x\r\n"])
def test_responses_that_llhttp_parses_leave_no_garbage(odd):
    body = gzip.compress(b"yes") if b"gzip" in odd else b"yes"
    raw = b"HTTP/1.1 200 OK\r\n" + odd + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [2])
    parser = ResponseParser()
    assert garbage_of(lambda: parser.feed(raw)) < 50
    assert (parser.feed(raw).body, parser.started) == (b"yes", False)


def test_connections_that_the_server_closes_leave_no_garbage_either():
    def by_the_end():
        parser = ResponseParser()
        assert parser.feed(NO_LENGTH) is None
        assert parser.eof().body == b"yes"

    def by_the_head():
        parser = ResponseParser()
        assert not parser.feed(CHUNKED.replace(b"\r\nT", b"\r\nConnection: close\r\nT", 1)).keep_alive

    assert garbage_of(by_the_end) < 50
    assert garbage_of(by_the_head) < 50


def test_each_response_of_a_connection_has_its_own_size_and_headers():
    parser = ResponseParser()
    first = parser.feed(CHUNKED.replace(b"\r\nT", b"\r\nServer-Timing: queue;dur=1\r\nT", 1))
    assert first.timing == b"queue;dur=1"
    for _ in range(3):
        again = parser.feed(CHUNKED)
        assert (again.timing, again.size_bytes, again.body) == (b"", len(CHUNKED), b"yes")
    assert parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").body == b"ok"
