"""A gRPC front without sockets: a transport that keeps what is written, and a client that reads it independently.

The client encodes and decodes headers with `hpack` (and so uses the header tables), and parses frames by itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import hpack
import numpy as np

from harness.record.model_card import ModelCard
from harness.wire.grpc.messages import message
from harness.wire.payload_bank import BankMeta
from targets.servers.grpc_v2.connection import CallConnection
from targets.servers.grpc_v2.service import GrpcService
from targets.servers.protocols.inference import BatchOutputs
from targets.servers.protocols.protocol import ProtocolLayer
from targets.servers.protocols.wire_model import WireModel
from targets.servers.telemetry import Telemetry

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.servers.batched import BatchedBackend
    from targets.servers.compute import PendingRequest

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INFER = "/inference.GRPCInferenceService/ModelInfer"
LIVE = "/inference.GRPCInferenceService/ServerLive"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
ACK = 1
META = BankMeta(model="tiny", input_shape=(3,), output_shape=(2,))
TIMING = b"server-timing: compute;dur=0.010000\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def frames_of(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """(kind, flags, stream, payload) of whole frames."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        assert len(data) >= 9 + length, "an incomplete frame was written"
        kind, flags, stream = struct.unpack(">BBI", data[3:9])
        found.append((kind, flags, stream, data[9 : 9 + length]))
        data = data[9 + length :]
    return found


def infer_message(values: tuple[float, ...], request_id: str = "", rows: int = 1, **fields: Any) -> bytes:
    tensor = {"name": "input", "datatype": "FP32", "shape": [rows, 3]}
    raw = np.array(values, "<f4").tobytes()
    asked = {"model_name": "tiny", "id": request_id, "inputs": [tensor], "raw_input_contents": [raw], **fields}
    content: bytes = message("ModelInferRequest")(**asked).SerializeToString()
    return content


def outputs_of(content: bytes) -> list[float]:
    """The numbers of a `ModelInferResponse`."""
    response = message("ModelInferResponse").FromString(content)
    assert (response.model_name, response.model_version, response.outputs[0].name) == ("tiny", "1", "output")
    numbers = np.frombuffer(response.raw_output_contents[0], "<f4")
    assert list(response.outputs[0].shape) == [len(numbers) // 2, 2]
    return [float(number) for number in numbers]


def prefixed(content: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(content).to_bytes(4, "big") + content


class FirstTwo:
    """A backend whose model returns the first two of three numbers, whenever the test says."""

    max_rows = 4

    def __init__(self, limit: int = 1000) -> None:
        self.waiting: list[PendingRequest] = []
        self.timeouts_ns: list[int | None] = []
        self.limit = limit

    def able(self) -> bool:
        return True

    def rest(self) -> None:
        return

    def has_room(self) -> bool:
        return len(self.waiting) < self.limit

    def offer(self, item: PendingRequest, timeout_ns: int | None) -> bool:
        self.waiting.append(item)
        self.timeouts_ns.append(timeout_ns)
        return True

    def compute(self, position: int = 0) -> None:
        item = self.waiting.pop(position)
        rows = np.frombuffer(item.request.tensor, "<f4").reshape(-1, 3)[:, :2]
        headers, body = item.request.form.write(BatchOutputs(np.ascontiguousarray(rows)), 0, len(rows))
        item.deliver(headers, TIMING, body)

    def compute_all(self) -> None:
        while self.waiting:
            self.compute()


class IdleLoop:
    """A loop that keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_soon(self, what: Callable[[], None]) -> None:
        self.later.append(what)

    def call_later(self, seconds: float, what: Callable[[], None]) -> None:
        assert seconds > 0
        self.later.append(what)


def protocol_of_tiny() -> ProtocolLayer:
    return ProtocolLayer(WireModel(META, ModelCard(name="tiny")), Telemetry())


def service_of(backend: FirstTwo, max_bytes: int = 100_000) -> GrpcService:
    service = GrpcService(protocol_of_tiny(), cast("BatchedBackend", backend), max_bytes)
    service.start(cast("asyncio.AbstractEventLoop", IdleLoop()))
    return service


class KeptTransport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@dataclass
class Response:
    """What has come on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int | None:
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None

    @property
    def message(self) -> bytes:
        assert self.data[:5] == b"\0" + (len(self.data) - 5).to_bytes(4, "big")
        return self.data[5:]


class Client:
    """One connection to a front, and the responses by stream."""

    def __init__(self, service: GrpcService, settings: bytes = b"", *, greet: bool = True) -> None:
        self.transport = KeptTransport()
        self.connection = CallConnection(service)
        self.connection.connection_made(cast("asyncio.BaseTransport", self.transport))
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.stream = -1
        self.responses: dict[int, Response] = {}
        self.control: list[tuple[int, int, int, bytes]] = []
        if greet:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data: bytes) -> None:
        if not self.transport.closed:
            self.connection.data_received(data)
        self.read()

    def read(self) -> None:
        """Sort what was written since the last time."""
        written, self.transport.written = self.transport.written, b""
        for kind, flags, stream, payload in frames_of(written):
            if kind in (HEADERS, DATA, RST_STREAM):
                self._of_stream(self.responses.setdefault(stream, Response()), kind, flags, payload)
            else:
                self.control.append((kind, flags, stream, payload))

    def _of_stream(self, response: Response, kind: int, flags: int, payload: bytes) -> None:
        if kind == RST_STREAM:
            assert response.reset is None
            response.reset = int.from_bytes(payload, "big")
            return
        assert not response.ended
        assert response.reset is None
        if kind == HEADERS:
            assert flags & END_HEADERS
            headers = self.decoder.decode(payload)
            response.headers |= {str(name): str(value) for name, value in headers}
        else:
            assert response.headers[":status"] == "200"
            response.data += payload
        response.ended = bool(flags & END_STREAM)

    def block(self, path: str = INFER, *more: tuple[str, str], **changes: str) -> bytes:
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        headers |= {
            "content-type": "application/grpc",
            **{name.replace("_", "-"): text for name, text in changes.items()},
        }
        return bytes(self.encoder.encode([*headers.items(), *more]))

    def next_stream(self) -> int:
        self.stream += 2
        return self.stream

    def call(self, content: bytes, path: str = INFER, **headers: str) -> int:
        """Make a call in one piece; returns its stream."""
        stream = self.next_stream()
        block = self.block(path, **headers)
        self.send(frame(HEADERS, END_HEADERS, stream, block) + data_frames(stream, prefixed(content)))
        return stream

    def goaway(self) -> tuple[int, int] | None:
        """(last stream, code) of the last GOAWAY."""
        found = [payload for kind, _, _, payload in self.control if kind == GOAWAY]
        return struct.unpack(">II", found[-1][:8]) if found else None


def data_frames(stream: int, body: bytes, size: int = 16_384) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    return b"".join(
        frame(DATA, END_STREAM if number == len(parts) else 0, stream, part) for number, part in enumerate(parts, 1)
    )
