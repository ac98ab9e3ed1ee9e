"""The gRPC front without sockets: HTTP/2's rules, statuses, bounds."""

from __future__ import annotations

import gzip
import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process_grpc import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INFER,
    LIVE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Client,
    FirstTwo,
    data_frames,
    frame,
    infer_message,
    outputs_of,
    prefixed,
    service_of,
)

from harness.wire.grpc.messages import message
from targets.servers.grpc_v2.connection import SLOW_CALL_LIMIT_TICKS
from targets.servers.grpc_v2.frames import MAX_STREAMS

PROTOCOL_ERROR, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 1, 3, 5, 6, 7, 8, 9, 11


@pytest.fixture
def backend() -> FirstTwo:
    return FirstTwo()


@pytest.fixture
def client(backend: FirstTwo) -> Client:
    return Client(service_of(backend))


def test_calls_are_answered_in_the_order_in_which_the_model_ends(client: Client, backend: FirstTwo) -> None:
    streams = [client.call(infer_message((number, -number, 0.5))) for number in range(3)]
    for position in (2, 0, 0):
        backend.compute(position)
    client.read()
    for number, stream in enumerate(streams):
        response = client.responses[stream]
        assert (response.status, response.ended, response.reset) == (0, True, None)
        assert response.headers["server-timing"] == "compute;dur=0.010000"
        assert response.headers["content-type"] == "application/grpc"
        assert outputs_of(response.message) == [number, -number]
    assert (SETTINGS, ACK, 0, b"") in client.control


SCRIPT = b"".join(
    (
        PREFACE,
        frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)),
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(PING, 0, 0, b"12345678"),
        frame(99, 0xFF, 7, b"of a kind that nobody knows"),
    )
)


@given(cuts=st.lists(st.integers(0, 900), max_size=12), size=st.integers(1, 300))
def test_the_same_calls_however_the_bytes_are_cut(cuts: list[int], size: int) -> None:
    backend = FirstTwo()
    client = Client(service_of(backend), greet=False)
    script = SCRIPT
    for stream in (1, 3, 5):
        block = client.block()
        script += frame(HEADERS, 0, stream, block[:7]) + frame(CONTINUATION, 0, stream, block[7:9])
        script += frame(CONTINUATION, END_HEADERS, stream, block[9:])
        script += data_frames(stream, prefixed(infer_message((stream, 1, 2))), size)
    for start, stop in pairwise([0, *sorted(min(cut, len(script)) for cut in cuts), len(script)]):
        client.send(script[start:stop])
    backend.compute_all()
    client.read()
    assert [outputs_of(client.responses[stream].message) for stream in (1, 3, 5)] == [[1, 1], [3, 1], [5, 1]]
    assert (PING, ACK, 0, b"12345678") in client.control


def test_header_blocks_mean_what_the_table_says_when_they_come(client: Client, backend: FirstTwo) -> None:
    # The encoder adds every new header to the table; the same bytes then mean another header.
    first = [client.call(infer_message((number, 0, 0))) for number in range(3)]
    live = client.call(b"", LIVE)
    timed = [client.call(infer_message((number, 0, 0)), grpc_timeout=f"{number + 1}S") for number in range(200)]
    again = client.call(infer_message((7, 0, 0)))
    backend.compute_all()
    client.read()
    assert client.responses[live].message == b"\x08\x01"
    assert [client.responses[stream].status for stream in (*first, *timed, again)] == [0] * 204
    assert [timeout is None for timeout in backend.timeouts_ns] == [True] * 3 + [False] * 200 + [True]
    for number, timeout_ns in enumerate(backend.timeouts_ns[3:203]):
        assert timeout_ns is not None
        assert number * 10**9 < timeout_ns <= (number + 1) * 10**9


def test_repeated_block_is_read_anew_after_another_block_changed_the_table() -> None:
    backend = FirstTwo()
    client = Client(service_of(backend))
    newest = bytes([0x80 | 62])  # the entry that was added last
    static = b"\x83\x86"  # :method POST, :scheme http
    path = b"\x04" + bytes([len(INFER)]) + INFER.encode()
    plain = b"\x0f\x10\x10application/grpc"
    block = static + path + plain + newest

    def timeout_ns() -> int | None:
        stream = client.next_stream()
        client.send(
            frame(HEADERS, END_HEADERS, stream, block) + data_frames(stream, prefixed(infer_message((1, 0, 0))))
        )
        return backend.timeouts_ns[-1]

    added = bytes([0x40, 12]) + b"grpc-timeout"
    for text, most_s in ((b"5S", 5), (b"9S", 9)):
        stream = client.next_stream()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, static + path + plain + added + bytes([2]) + text))
        for _ in range(3):
            found = timeout_ns()
            assert found is not None
            assert (most_s - 1) * 10**9 < found <= most_s * 10**9


def test_a_repeated_block_resizes_the_table_each_time(client: Client) -> None:
    head = b"\x83\x86\x04" + bytes([len(LIVE)]) + LIVE.encode() + b"\x0f\x10\x10application/grpc"
    small, large = b"\x3f\x45" + head, b"\x3f\xe1\x1f" + head  # tables of 100 and of 4096 bytes
    adding = b"\x40\x03abc\x03def" * 2  # 38 bytes each in the table
    for block in (small, large, small, head + b"\x40\x19" + b"x" * 25 + b"\x03def" + adding):
        stream = client.next_stream()
        client.send(frame(HEADERS, END_HEADERS, stream, block) + data_frames(stream, prefixed(b"")))
        assert client.responses[stream].status == 0
    client.send(frame(HEADERS, END_HEADERS, client.next_stream(), head + b"\xc0"))  # the third entry, which is evicted
    assert client.goaway() == (stream, COMPRESSION)


def test_every_response_has_the_id_of_its_call(client: Client, backend: FirstTwo) -> None:
    plain = infer_message((1, 2, 3))
    at = plain.index(b"\x3a")  # the tensor
    ids = ("", "a", "b", "\u00e4", "x" * 200, "")
    contents = [(infer_message((1, 2, 3), each), each) for each in ids]
    contents += [(plain[:at] + b"\x1a\x02" + each.encode() + plain[at:], each) for each in ("i1", "i2")]
    for content, identity in contents * 3:
        stream = client.call(content)
        backend.compute_all()
        client.read()
        response = message("ModelInferResponse").FromString(client.responses[stream].message)
        assert (response.id, outputs_of(client.responses[stream].message)) == (identity, [1, 2])


def test_known_beginnings_are_of_messages_with_one_tensor(client: Client) -> None:
    plain = infer_message((1, 2, 3))
    tensor = plain[plain.index(b"\x3a") :]
    for _ in range(3):
        assert client.call(plain) not in client.responses
        assert client.responses[client.call(plain + tensor)].status == 3
        assert client.responses[client.call(plain[:-12] + b"\xff" * 12)].status == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (prefixed(b"\xff\xff\xff"), 3),
        (b"", 3),
        (b"\0\0\0", 3),
        (prefixed(b"ab") + b"c", 3),
        (prefixed(b"") * 2, 3),
        (b"\0" + (200_000).to_bytes(4, "big"), 8),
        (b"\1" + prefixed(b"")[1:], 3),
        (prefixed(infer_message((1, 2, float("nan")))), 3),
        (prefixed(infer_message((1, 2))), 3),
        (prefixed(infer_message((1,) * 15, rows=5)), 3),
        (prefixed(infer_message((1, 2, 3), model_name="other")), 5),
    ],
)
def test_wrong_calls_have_their_status_and_the_next_one_is_served(
    client: Client, backend: FirstTwo, body: bytes, status: int
) -> None:
    for size in (16_384, 2):  # one frame, many frames
        stream = client.next_stream()
        client.send(frame(HEADERS, END_HEADERS, stream, client.block()) + data_frames(stream, body, size))
        assert (client.responses[stream].status, client.responses[stream].ended) == (status, True)
    good = client.call(infer_message((1, 2, 3)))
    backend.compute_all()
    client.read()
    assert client.responses[good].status == 0


def test_unknown_methods_are_unimplemented_at_once(client: Client) -> None:
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS, stream, client.block("/inference.GRPCInferenceService/ModelStreamInfer")))
    response = client.responses[stream]
    assert (response.status, response.ended, response.reset) == (12, True, 0)
    client.send(data_frames(stream, b"what was on its way"))
    assert client.goaway() is None


@pytest.mark.parametrize(("name", "status"), [("content-type", "415"), (":method", "405")])
def test_what_is_no_grpc_gets_an_http_status(client: Client, name: str, status: str) -> None:
    headers = {":method": "POST", ":scheme": "http", ":path": LIVE, "content-type": "application/grpc"} | {name: "GET"}
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, bytes(client.encoder.encode(headers.items()))))
    assert client.responses[stream].headers == {":status": status}
    assert client.responses[stream].ended


@pytest.mark.parametrize(
    "headers",
    [
        [(":method", "POST"), (":scheme", "http")],
        [(":method", "POST"), (":scheme", "http"), (":path", LIVE), (":path", LIVE)],
        [(":method", "POST"), (":scheme", "http"), ("te", "trailers"), (":path", LIVE)],
        [(":method", "POST"), (":scheme", "http"), (":path", LIVE), ("Upper", "x")],
        [(":method", "POST"), (":scheme", "http"), (":path", LIVE), ("connection", "close")],
        [(":method", "POST"), (":scheme", "http"), (":path", LIVE), (":status", "200")],
        [],
    ],
)
def test_malformed_requests_are_reset(client: Client, headers: list[tuple[str, str]]) -> None:
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, bytes(client.encoder.encode(headers))))
    assert client.responses[stream].reset == PROTOCOL_ERROR
    assert client.responses[client.call(b"", LIVE)].status == 0


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_messages_are_read(client: Client, backend: FirstTwo, encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    def ask(content: bytes) -> int:
        stream = client.next_stream()
        block = client.block(grpc_encoding=encoding)
        client.send(frame(HEADERS, END_HEADERS, stream, block) + data_frames(stream, prefixed(content, flag=1)))
        return stream

    good, plain = ask(pack(infer_message((1, 2, 3)))), client.call(infer_message((1, 2, 3)), grpc_encoding=encoding)
    broken, cut, bomb = ask(b"no such thing"), ask(pack(bytes(99))[:-1]), ask(pack(bytes(10_000_000)))
    unknown = client.next_stream()
    client.send(
        frame(HEADERS, END_HEADERS, unknown, client.block(grpc_encoding="snappy"))
        + data_frames(unknown, prefixed(b"x", flag=1))
    )
    backend.compute_all()
    client.read()
    found = [client.responses[stream].status for stream in (good, plain, broken, cut, bomb, unknown)]
    assert found == [0, 0, 3, 3, 8, 12]


def test_a_large_message_is_refused_before_it_has_arrived(client: Client) -> None:
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS, stream, client.block()))
    client.send(frame(DATA, 0, stream, b"\0" + (100_001).to_bytes(4, "big")))
    assert (client.responses[stream].status, client.responses[stream].reset) == (8, 0)
    client.send(frame(DATA, 0, stream, bytes(16_000)))
    assert not client.connection.calls


def test_unfinished_messages_are_bounded_together(client: Client) -> None:
    refused = 0
    for _ in range(40):
        stream = client.next_stream()
        client.send(frame(HEADERS, END_HEADERS, stream, client.block()))
        client.send(frame(DATA, 0, stream, b"\0" + (90_000).to_bytes(4, "big") + bytes(16_000)))
        refused += client.responses[stream].status == 8 if stream in client.responses else 0
    assert refused == 40 - 200_000 // 16_005
    held = sum(len(call.body or b"") for call in client.connection.calls.values())
    assert held <= 200_000
    for stream in list(client.connection.calls):
        client.send(frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big")))
    assert client.responses[client.call(b"", LIVE)].status == 0
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS, stream, client.block()))
    client.send(data_frames(stream, prefixed(bytes(90_000))))
    assert client.responses[stream].status == 3, "the bytes of calls that ended are no longer counted"


def test_calls_in_flight_are_bounded_also_where_the_client_gives_them_up(client: Client, backend: FirstTwo) -> None:
    backend.limit = 10**6
    for number in range(MAX_STREAMS):
        stream = client.call(infer_message((1, 2, 3)))
        if number % 2:
            client.send(frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big")))
    assert client.responses == {}
    assert client.responses[client.call(infer_message((1, 2, 3)))].reset == REFUSED
    backend.compute_all()
    client.read()
    assert sum(response.status == 0 for response in client.responses.values()) == MAX_STREAMS // 2
    assert client.responses[client.call(b"", LIVE)].status == 0


def test_a_full_queue_is_unavailable(client: Client, backend: FirstTwo) -> None:
    backend.limit = 2
    streams = [client.call(infer_message((1, 2, 3))) for _ in range(3)]
    assert client.responses[streams[2]].status == 14


def test_responses_wait_for_the_clients_windows(backend: FirstTwo) -> None:
    client = Client(service_of(backend), struct.pack(">HI", 4, 10))
    streams = [client.call(infer_message((number, 1, 2))) for number in range(2)]
    backend.compute_all()
    client.read()
    assert [len(client.responses[stream].data) for stream in streams] == [10, 10]
    client.send(frame(WINDOW_UPDATE, 0, streams[1], (7).to_bytes(4, "big")))
    assert [len(client.responses[stream].data) for stream in streams] == [10, 17]
    client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)))
    assert [outputs_of(client.responses[stream].message) for stream in streams] == [[0, 1], [1, 1]]
    assert all(client.responses[stream].ended for stream in streams)
    assert not client.connection.calls


def test_nothing_is_sent_for_a_call_that_was_given_up_amid_its_response(backend: FirstTwo) -> None:
    client = Client(service_of(backend), struct.pack(">HI", 4, 10))
    given_up, kept = client.call(infer_message((1, 2, 3))), client.call(infer_message((4, 5, 6)))
    backend.compute_all()
    client.send(frame(RST_STREAM, 0, given_up, (8).to_bytes(4, "big")))
    client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)))
    assert len(client.responses[given_up].data) == 10
    assert outputs_of(client.responses[kept].message) == [4, 5]
    assert client.goaway() is None


def test_the_connections_window_bounds_all_responses(client: Client, backend: FirstTwo) -> None:
    size = 0
    while size < 65_535:
        stream = client.call(infer_message((1, 2, 3)))
        backend.compute_all()
        client.read()
        size += len(client.responses[stream].data)
        assert sum(len(response.data) for response in client.responses.values()) <= 65_535
        if not client.responses[stream].ended:
            break
    late = client.call(infer_message((4, 5, 6)))
    backend.compute_all()
    client.read()
    assert client.responses[late].data == b""
    client.send(frame(WINDOW_UPDATE, 0, 0, (1000).to_bytes(4, "big")))
    assert all(response.ended for response in client.responses.values())
    assert outputs_of(client.responses[late].message) == [4, 5]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(DATA, 0, 2, b"x"), PROTOCOL_ERROR),
        (frame(DATA, 0, 9, b"x"), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 2, b""), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 0, b""), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff"), COMPRESSION),
        (frame(HEADERS, END_HEADERS, 1, b"\x3f\xe2\x1f"), COMPRESSION),
        (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09abc"), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS | 0x20, 1, b"abc"), FRAME_SIZE),
        (frame(HEADERS, 0, 1, b"") + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
        (frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 3, b""), PROTOCOL_ERROR),
        (frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, bytes(9000)) * 2, CALM),
        (frame(HEADERS, END_HEADERS, 1, b"\x82" * 9000), CALM),
        (frame(CONTINUATION, 0, 1, b""), PROTOCOL_ERROR),
        (frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
        (frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE),
        (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE),
        (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE),
        (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31)), FLOW_CONTROL),
        (frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 100)), PROTOCOL_ERROR),
        (frame(PUSH, 0, 1, bytes(4)), PROTOCOL_ERROR),
        (frame(PING, 0, 0, bytes(7)), FRAME_SIZE),
        (frame(WINDOW_UPDATE, 0, 0, bytes(4)), FLOW_CONTROL),
        (frame(WINDOW_UPDATE, 0, 0, (2**31 - 1).to_bytes(4, "big")), FLOW_CONTROL),
        (frame(WINDOW_UPDATE, 0, 9, bytes(4)), PROTOCOL_ERROR),
        (b"\x00\x40\x01" + bytes(6), FRAME_SIZE),
    ],
)
def test_what_breaks_http2_ends_the_connection_with_the_reason(client: Client, data: bytes, code: int) -> None:
    client.send(data)
    assert client.goaway() == (client.connection._last_stream, code)
    assert client.transport.closed
    client.connection.connection_lost(None)
    assert not client.connection.service.connections


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\x00"])
def test_other_protocols_are_not_listened_to(backend: FirstTwo, data: bytes) -> None:
    client = Client(service_of(backend), greet=False)
    for byte in data:
        client.send(bytes([byte]))
    assert client.transport.closed


def test_data_after_the_end_and_a_window_beyond_its_limit_end_the_call(client: Client, backend: FirstTwo) -> None:
    late, wide = client.call(infer_message((1, 2, 3))), client.call(infer_message((1, 2, 3)))
    client.send(frame(DATA, 0, late, b"more"))
    client.send(frame(WINDOW_UPDATE, 0, wide, (2**31 - 1).to_bytes(4, "big")))
    backend.compute_all()
    client.read()
    assert [client.responses[stream].reset for stream in (late, wide)] == [STREAM_CLOSED, FLOW_CONTROL]
    assert client.responses[client.call(b"", LIVE)].status == 0


def test_a_call_that_does_not_end_is_given_up(client: Client) -> None:
    stream = client.next_stream()
    client.send(frame(HEADERS, END_HEADERS, stream, client.block()))
    for _ in range(SLOW_CALL_LIMIT_TICKS):
        client.connection.tick()
    client.read()
    assert client.responses == {}
    client.connection.tick()
    client.read()
    assert client.responses[stream].status == 4


def test_a_response_that_the_client_does_not_take_is_given_up(backend: FirstTwo) -> None:
    client = Client(service_of(backend), struct.pack(">HI", 4, 0))
    stream = client.call(infer_message((1, 2, 3)))
    for _ in range(SLOW_CALL_LIMIT_TICKS + 5):
        client.connection.tick()  # the model takes its time
    backend.compute_all()
    for more in (True, False):
        for _ in range(SLOW_CALL_LIMIT_TICKS):
            client.connection.tick()
        client.read()
        assert client.responses[stream].reset is None
        if more:
            client.send(frame(WINDOW_UPDATE, 0, stream, (1).to_bytes(4, "big")))
    client.connection.tick()
    client.read()
    assert (client.responses[stream].data, client.responses[stream].reset) == (b"\0", CANCEL)
    assert not client.connection.calls


def test_a_drain_lets_calls_in_transit_through(client: Client, backend: FirstTwo) -> None:
    stream = client.call(infer_message((1, 2, 3)))
    client.connection.announce_end()
    late = client.call(infer_message((4, 5, 6)))
    assert client.goaway() == (2**31 - 1, 0)
    backend.compute_all()
    client.read()
    assert [client.responses[each].status for each in (stream, late)] == [0, 0]
    client.connection.close()
    client.read()
    assert client.goaway() == (late, 0)


def test_a_client_that_does_not_read_is_not_read(client: Client) -> None:
    client.connection.pause_writing()
    assert not client.transport.reading
    client.connection.resume_writing()
    assert client.transport.reading
