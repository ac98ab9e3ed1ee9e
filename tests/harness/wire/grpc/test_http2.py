"""Answers of a server written with `hpack` and by hand, fed in every possible cut."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wire.grpc.call_status import Code
from harness.wire.grpc.header_blocks import HeaderBlocks, Http2Error
from harness.wire.grpc.http2 import MAX_FRAME_BYTES, OPENING, NotTakenError, UnaryCalls, frame, unary_request

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
TIMING = b'queue;dur=1.250000, batch;dur=0.4;desc="n=8", compute;dur=3.1'
REQUEST = unary_request([(":method", "POST"), (":path", "/s/m")], b"question")


def block(*headers, sensitive=False, resized=False, huffman=False):
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    coded = encoder.encode([(name, value, sensitive) for name, value in headers], huffman=huffman)
    return coded if resized else coded[1:]  # without the size update, which only a first block needs


def message(body):
    return b"\0" + len(body).to_bytes(4, "big") + body


def answer(stream, body=b"answer", code=b"0", *more, huffman=False):
    head = block((b":status", b"200"), (b"content-type", b"application/grpc"))
    tail = block((b"grpc-status", code), *more, huffman=huffman)
    return (
        frame(HEADERS, END_HEADERS, stream, head)
        + frame(DATA, 0, stream, message(body))
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, tail)
    )


def fed(calls, pieces):
    return [reply for piece in pieces if (reply := calls.feed(piece)) is not None]


def frames(data):
    """(type, flags, stream, payload) of each."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]))
        data = data[9 + length :]
    return found


def called(blocks=None):
    calls = UnaryCalls(blocks or HeaderBlocks())
    calls.call(REQUEST)
    return calls


def test_a_call_is_headers_and_a_message_on_streams_of_its_own():
    calls = UnaryCalls(HeaderBlocks())
    first = calls.call(REQUEST)
    assert first.startswith(OPENING)
    calls.feed(answer(1))
    for stream, sent in ((1, first[len(OPENING) :]), (3, calls.call(REQUEST))):
        (kind, flags, number, head), data = frames(sent)
        assert (kind, flags, number) == (HEADERS, END_HEADERS, stream)
        assert hpack.Decoder().decode(head) == [(":method", "POST"), (":path", "/s/m")]
        assert data == (DATA, END_STREAM, stream, message(b"question"))


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=60),
    timing=st.sampled_from([b"", TIMING, TIMING + b", a;dur=1" * 12]),
    huffman=st.booleans(),
    noise=st.booleans(),
    data=st.data(),
)
def test_every_cut_gives_the_same_replies(body, timing, huffman, noise, data):
    more = [(b"server-timing", timing)] if timing else []
    control = frame(PING, 0, 0, b"12345678") + frame(SETTINGS, 0, 0, b"") + frame(99, 0, 0, b"unknown")
    raw = (control if noise else b"") + answer(1, body, b"0", *more, huffman=huffman)
    cut = data.draw(st.integers(0, len(raw)))
    blocks = HeaderBlocks()
    for pieces in ([raw], [raw[:cut], raw[cut:]], [raw[at : at + 1] for at in range(len(raw))]):
        calls = called(blocks)
        (reply,) = fed(calls, pieces)
        assert (reply.code, reply.message, reply.timing) == (Code.OK, body, timing)
        assert reply.size_bytes == len(answer(1, body, b"0", *more, huffman=huffman))
        assert bool(calls.output) == noise


def test_timing_is_cut_out_of_blocks_known_by_the_rest():
    blocks = HeaderBlocks()
    for number in range(3):
        timing = b"compute;dur=%d" % number
        headers, found = blocks.read(block((b"grpc-status", b"0"), (b"server-timing", timing)))
        assert (headers, found) == ({b"grpc-status": b"0"}, timing)
    assert len(blocks._known) == 1
    # A value that looks like the header's name is no such header.
    tricky = block((b"x", b"\x0dserver-timing\x01a"), (b"grpc-status", b"0"))
    headers, found = blocks.read(tricky)
    assert (headers, found) == ({b"x": b"\x0dserver-timing\x01a", b"grpc-status": b"0"}, b"")


def test_a_first_block_may_say_that_the_table_is_gone_and_none_may_use_one():
    assert HeaderBlocks().read(block((b"grpc-status", b"0"), resized=True))[0] == {b"grpc-status": b"0"}
    with pytest.raises(Http2Error, match="cannot be read"):
        HeaderBlocks().read(b"\xbe")  # entry 62: the first of a dynamic table


@pytest.mark.parametrize(
    ("code", "message_text", "detail"),
    [(b"14", b"the%20queue is full", "the queue is full"), (b"16", b"", ""), (b"5", b"%E4%BD%A0", "你")],
)
def test_a_failure_has_its_code_and_what_the_server_says(code, message_text, detail):
    only = block((b":status", b"200"), (b"grpc-status", code), (b"grpc-message", message_text))
    reply = called().feed(frame(HEADERS, END_HEADERS | END_STREAM, 1, only))
    assert (reply.code, reply.detail, reply.message) == (int(code), detail, b"")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (frame(HEADERS, END_HEADERS, 1, block((b":status", b"503"))), Code.UNAVAILABLE),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, block((b":status", b"401"))), Code.UNAUTHENTICATED),
        (frame(RST_STREAM, 0, 1, (7).to_bytes(4, "big")), Code.UNAVAILABLE),
        (frame(RST_STREAM, 0, 1, (2).to_bytes(4, "big")), Code.INTERNAL),
        (answer(1, code=b"99"), Code.UNKNOWN),
        (answer(1, code=b"x"), Code.UNKNOWN),
        (answer(1).replace(message(b"answer"), b"\x01" + message(b"answer")[1:]), Code.INTERNAL),
        (answer(1).replace(message(b"answer"), message(b"answers")[:5] + b"answer"), Code.INTERNAL),
        (answer(1)[: -len(frame(HEADERS, 0, 1, block((b"grpc-status", b"0"))))] + frame(DATA, END_STREAM, 1, b""), 2),
    ],
)
def test_odd_ends_are_failures(raw, code):
    assert called().feed(raw).code == code


def test_headers_may_go_on_in_other_frames_and_be_padded():
    head = block((b":status", b"200"))
    tail = block((b"grpc-status", b"0"))
    raw = (
        frame(HEADERS, PADDED, 1, b"\x02" + head[:0] + b"\0\0")
        + frame(CONTINUATION, END_HEADERS, 1, head)
        + frame(DATA, PADDED, 1, b"\x03" + message(b"a") + b"\0\0\0")
        + frame(HEADERS, END_STREAM, 1, tail[:2])
        + frame(CONTINUATION, END_HEADERS, 1, tail[2:])
    )
    assert called().feed(raw).message == b"a"


def test_a_large_message_goes_as_far_as_the_windows_are_open():
    calls = UnaryCalls(HeaderBlocks())
    body = bytes(range(256)) * 1000
    sent = [calls.call(unary_request([(":path", "/")], body))[len(OPENING) :]]
    assert sum(len(payload) for kind, _, _, payload in frames(sent[0]) if kind == DATA) == 65_535
    window = (200_000).to_bytes(4, "big")
    calls.feed(frame(WINDOW_UPDATE, 0, 0, window))
    assert calls.output == b""  # the call's own window is still closed
    calls.feed(frame(SETTINGS, 0, 0, b"\0\x04" + (65_535 + 100_000).to_bytes(4, "big")))
    calls.feed(frame(WINDOW_UPDATE, 0, 1, window))
    sent.append(calls.output)
    data = [part for part in frames(b"".join(sent)) if part[0] == DATA]
    assert b"".join(payload for _, _, _, payload in data) == message(body)
    assert [flags for _, flags, _, _ in data] == [0] * (len(data) - 1) + [END_STREAM]
    assert max(len(payload) for *_, payload in data) == MAX_FRAME_BYTES
    assert calls.feed(answer(1)).code == Code.OK
    assert not calls.closing


def test_pings_and_settings_are_answered():
    calls = called()
    calls.feed(frame(PING, 0, 0, b"abcdefgh") + frame(SETTINGS, 0, 0, b"") + frame(PING, 1, 0, b"abcdefgh"))
    assert frames(calls.output) == [(PING, 1, 0, b"abcdefgh"), (SETTINGS, 1, 0, b"")]


def test_a_server_that_leaves_finishes_what_it_has_begun_or_says_that_it_won_t():
    def goaway(last):
        return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + bytes(4))

    calls = called()
    assert calls.feed(goaway(1) + answer(1)).code == Code.OK
    assert calls.closing
    with pytest.raises(NotTakenError, match="gave the connection up"):
        called().feed(goaway(0))


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(5, 0, 1, b""), frame(DATA, PADDED, 1, b"\x09a")]
)
def test_what_is_no_http2_is_said_to_be(raw):
    with pytest.raises(Http2Error):
        called().feed(raw)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 3), st.binary(max_size=40)), max_size=6)
)
def test_no_frames_can_do_more_than_fail_a_call(parts):
    calls = called()
    try:
        for part in parts:
            calls.feed(frame(*part))
    except Http2Error:
        pass


def test_a_web_page_over_http2_is_quoted_with_its_type():
    page = b"<html><title>Sign in</title></html>"
    head = frame(HEADERS, END_HEADERS, 1, block((b":status", b"200"), (b"content-type", b"text/html; charset=utf-8")))
    reply = called().feed(head + frame(DATA, END_STREAM, 1, page))
    assert (reply.code, reply.detail) == (Code.UNKNOWN, "no gRPC, but text/html; charset=utf-8: Sign in")
    bare = frame(HEADERS, END_HEADERS, 1, block((b":status", b"200")))
    assert called().feed(bare + frame(DATA, END_STREAM, 1, b"")).detail == "no gRPC, but of no type: an empty body"


def test_an_unknown_status_is_named():
    assert called().feed(answer(1, b"answer", b"17"))[:3] == (Code.UNKNOWN, b"", "the unknown status 17")
    said = called().feed(answer(1, b"answer", b"17", (b"grpc-message", b"too%20hot")))
    assert said.detail == "the unknown status 17: too hot"
