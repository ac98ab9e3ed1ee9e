"""What HTTP/2 costs the load process per unary call, without any I/O: ours and `h2`, the library made for it.

.venv/bin/pip install h2
.venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_http2.py
"""

import platform
import re
import time
from pathlib import Path

import pytest

from harness.wire.grpc.header_blocks import HeaderBlocks, encode_block
from harness.wire.grpc.http2 import UnaryCalls, frame, unary_request

CALLS = 3000
REQUEST = [
    (":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ModelInfer"),
    (":authority", "127.0.0.1:8001"), ("te", "trailers"), ("content-type", "application/grpc"),
]  # fmt: skip
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
MESSAGE = b"\0" + (100).to_bytes(4, "big") + bytes(100)


def trailers(number):
    timing = f"queue;dur={1000 + number % 9000}, compute;dur={1000 + number % 7000}"
    return [("grpc-status", "0"), ("server-timing", timing)]


def cpu_us_of_ours():
    head = encode_block(HEADERS)
    answers = [
        frame(1, 4, stream, head) + frame(0, 0, stream, MESSAGE) + frame(1, 5, stream, encode_block(trailers(stream)))
        for stream in range(1, 2 * CALLS, 2)
    ]
    request = unary_request(REQUEST, bytes(400))
    calls = UnaryCalls(HeaderBlocks())
    start = time.process_time()
    for answer in answers:
        calls.call(request)
        assert calls.feed(answer).code == 0
    return (time.process_time() - start) * 1e6 / CALLS


def cpu_us_of_h2():
    pytest.importorskip("h2")
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, StreamEnded

    plain = {"header_encoding": None, "validate_inbound_headers": False, "validate_outbound_headers": False}
    client = H2Connection(H2Configuration(client_side=True, normalize_outbound_headers=False, **plain))
    server = H2Connection(H2Configuration(client_side=False))
    for end in (client, server):
        end.initiate_connection()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    spent = 0.0
    for _ in range(CALLS):
        start = time.process_time()
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, REQUEST)
        client.send_data(stream, bytes(405), end_stream=True)
        sent = client.data_to_send()
        spent += time.process_time() - start
        server.receive_data(sent)
        server.acknowledge_received_data(405, stream)
        server.send_headers(stream, HEADERS)
        server.send_data(stream, MESSAGE)
        server.send_headers(stream, trailers(stream), end_stream=True)
        answer = server.data_to_send()
        start = time.process_time()
        events = client.receive_data(answer)
        for event in events:
            if isinstance(event, DataReceived):
                client.acknowledge_received_data(event.flow_controlled_length, stream)
        sent = client.data_to_send()
        spent += time.process_time() - start
        assert any(isinstance(event, StreamEnded) for event in events)
        server.receive_data(sent)
    return spent * 1e6 / CALLS


def test_cpu_per_call():
    ours = min(cpu_us_of_ours() for _ in range(5))
    theirs = min(cpu_us_of_h2() for _ in range(5))
    line = f"CPU per call: ours {ours:.1f} µs, h2 {theirs:.0f} µs (the least of 5)"
    print(f"\n{line}")
    path = Path(__file__).parent / "RESULTS.md"
    where = f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}"
    text = re.sub(r"\n## http2\n.*?(?=\n## |\Z)", "", path.read_text(), flags=re.DOTALL)
    path.write_text(f"{text.rstrip()}\n\n## http2\n\n{where}\n\n{line}\n")
