"""The load over gRPC against grpcio's own server."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from harness.errors import UserError
from harness.plan.arrivals import Closed
from harness.record.rows import Outcome
from harness.wire.grpc.header_blocks import encode_block
from harness.wire.grpc.http2 import OPENING, frame
from harness.wire.grpc.messages import SERVICE, message
from harness.wire.server_probe import detect_protocol, read_meta, settle_protocol

pytestmark = pytest.mark.process

TIMING = 'queue;dur=1.25, batch;dur=0.4;desc="n=8", compute;dur=3.1'


class GrpcServer:
    """`infer(request, context)` gives the numbers of the output, or aborts."""

    def __init__(self, infer):
        self.infer = infer
        self.calls = 0
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8))
        calls = {"ModelInfer": self._infer, "ServerReady": self._ready, "ModelMetadata": self._metadata}
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                call,
                request_deserializer=message(f"{name}Request").FromString,
                response_serializer=message(f"{name}Response").SerializeToString,
            )
            for name, call in calls.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _infer(self, request, context):
        with self._lock:
            self.calls += 1
        numbers = np.asarray(self.infer(request, context), np.float32)
        context.set_trailing_metadata((("server-timing", TIMING),))
        output = {"name": "output", "datatype": "FP32", "shape": [1, numbers.size]}
        return message("ModelInferResponse")(outputs=[output], raw_output_contents=[numbers.tobytes()])

    def _ready(self, request, context):
        return message("ServerReadyResponse")(ready=True)

    def _metadata(self, request, context):
        if request.name != "sum":
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown model")
        tensors = [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
        return message("ModelMetadataResponse")(inputs=tensors, outputs=[{**tensors[0], "name": "o", "shape": [-1, 2]}])

    def close(self):
        self._server.stop(None)


@pytest.fixture
def serve_grpc():
    servers = []

    def start(infer):
        servers.append(GrpcServer(infer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def right(request, context):
    a, b = np.frombuffer(request.raw_input_contents[0], np.float32)[:2]
    return [a + b, a - b]


def test_every_answer_is_checked_timed_and_split(serve_grpc, bench):
    server = serve_grpc(right)
    rows, report = bench(server.url, protocol="grpc").run(120, users=3)
    assert (report.ok, report.checked, report.error, report.protocol) == (report.sent, report.sent, 0, "grpc")
    assert server.calls == report.sent
    for row in rows:
        assert row["due_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["done_ns"]
        assert (row["status"], row["queue_ns"], row["compute_ns"], row["batch_size"]) == (200, 1_250_000, 3_100_000, 8)


def test_failures_have_the_status_that_http_would_give(serve_grpc, bench):
    codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED]
    turn = iter(range(10**6))

    def fail(request, context):
        context.abort(codes[next(turn) % 3], "no such luck")

    rows, report = bench(serve_grpc(fail).url, protocol="grpc").run(3)
    assert [row["status"] for row in rows[:3]] == [503, 400, 401]
    assert [row["outcome"] for row in rows[:3]] == [Outcome.REJECTED, Outcome.ERROR, Outcome.ERROR]
    assert "gRPC UNAVAILABLE: no such luck" in report.errors


def test_a_wrong_answer_is_wrong(serve_grpc, bench):
    _, report = bench(serve_grpc(lambda request, context: [0.5, 0.5]).url, protocol="grpc").run(5)
    assert report.wrong == report.sent


def test_a_silent_server_is_a_timeout(serve_grpc, bench):
    release = threading.Event()
    server = serve_grpc(lambda request, context: release.wait(5) and [0, 0])
    _, report = bench(server.url, protocol="grpc", timeout_s=0.1).run(2)
    release.set()
    assert report.timeout == report.sent >= 2


def test_messages_larger_than_the_windows_arrive_whole(serve_grpc, bench):
    sizes = []

    def infer(request, context):
        sizes.append(len(request.raw_input_contents[0]))
        return right(request, context)

    ran = bench(serve_grpc(infer).url, protocol="grpc")
    from harness.wire.grpc.http2 import unary_request

    headers = [(":method", "POST"), (":scheme", "http"), (":path", f"/{SERVICE}/ModelInfer"), (":authority", "h"),
               ("te", "trailers"), ("content-type", "application/grpc")]  # fmt: skip
    raw = np.concatenate([[1, 2], np.zeros(300_000)]).astype(np.float32).tobytes()
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 300_002]}
    request = unary_request(headers, message("ModelInferRequest")(
        inputs=[tensor], raw_input_contents=[raw]).SerializeToString())  # fmt: skip
    ran.load.engine._requests[:] = [request] * 20
    _rows, report = ran.run(4)
    assert set(sizes) == {len(raw)}
    assert report.ok + report.wrong == report.sent  # the numbers are those of another payload
    assert report.error == 0


def test_a_server_that_goes_away_is_an_error_and_then_found_again(serve_grpc, bench):
    server = serve_grpc(right)
    ran = bench(server.url, protocol="grpc", arrivals=Closed(users=1, think_time_s=0.01))
    ran.load.begin_phases(time.monotonic_ns())
    ran.load.loop.add_user()
    ran.turn_until(lambda: ran.load.ledger.ended[Outcome.OK] >= 3)
    server.close()
    ran.turn_until(lambda: ran.load.ledger.ended[Outcome.ERROR] >= 2)
    _rows, report = ran.finish()
    assert report.ok >= 3
    assert any("refused" in text for text in report.errors)


def test_metadata_and_protocol_are_found_out(serve_grpc):
    url = serve_grpc(right).url
    assert detect_protocol(url, "sum") == settle_protocol("auto", url, "sum") == "grpc"
    meta = read_meta(url, "sum", "grpc")
    assert (meta.input_name, meta.input_shape, meta.output_name, meta.output_shape) == ("input", (4,), "o", (2,))
    with pytest.raises(UserError, match="NOT_FOUND"):
        read_meta(url, "other", "grpc")
    with pytest.raises(UserError, match="says gRPC"):
        settle_protocol("v2", url, "sum")


def test_a_call_that_the_server_has_not_begun_with_is_made_again(bench):
    """A server that answers one call on each connection, and says GOAWAY at the second, as one that restarts."""
    output = {"name": "output", "datatype": "FP32", "shape": [1, 2]}
    listener = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            calls, held = 0, b""
            while data := connection.recv(65536):
                held = (held + data).removeprefix(OPENING)
                while len(held) >= 9 and len(held) >= (stop := 9 + int.from_bytes(held[:3], "big")):
                    kind, flags, stream, payload = held[3], held[4], int.from_bytes(held[5:9], "big"), held[9:stop]
                    held = held[stop:]
                    if kind or not flags & 1:
                        continue
                    calls += 1
                    if calls == 2:
                        connection.sendall(frame(7, 0, 0, (stream - 2).to_bytes(4, "big") + bytes(4)))
                        continue
                    numbers = right(message("ModelInferRequest").FromString(payload[5:]), None)
                    raw = np.asarray(numbers, np.float32).tobytes()
                    body = message("ModelInferResponse")(
                        outputs=[output], raw_output_contents=[raw]
                    ).SerializeToString()
                    connection.sendall(
                        frame(1, 4, stream, encode_block([(":status", "200")]))
                        + frame(0, 0, stream, b"\0" + len(body).to_bytes(4, "big") + body)
                        + frame(1, 5, stream, encode_block([("grpc-status", "0")]))
                    )
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        _, report = bench(f"grpc://127.0.0.1:{listener.getsockname()[1]}", protocol="grpc").run(6)
    assert (report.ok, report.error) == (report.sent, 0), report.errors
    assert report.resent == report.sent - 1 == len(connections) - 1


def test_a_server_of_another_kind_is_no_grpc():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def answer():
            connections.append(listener.accept()[0])
            connections[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UserError, match="is this the port of its gRPC"):
            detect_protocol(f"grpc://127.0.0.1:{listener.getsockname()[1]}", "sum")
        thread.join()
        connections[0].close()
