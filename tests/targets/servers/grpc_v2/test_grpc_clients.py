"""gRPC's own client, and Triton's, against the front on a real socket."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, cast

import grpc
import numpy as np
import pytest
import uvloop
from in_process_grpc import INFER, LIVE, FirstTwo, infer_message, outputs_of, protocol_of_tiny

from harness.wire.server_url import free_ports
from targets.servers.grpc_v2.server import GrpcFrontEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.servers.batched import BatchedBackend
    from targets.servers.compute import PendingRequest

pytestmark = pytest.mark.process
MAX_BYTES = 1_000_000


class AtOnce(FirstTwo):
    """Computes at the end of the turn, unless the test holds it."""

    held = False

    def offer(self, item: PendingRequest, timeout_ns: int | None) -> bool:
        if not self.held:
            asyncio.get_running_loop().call_soon(self.compute_all)
        return super().offer(item, timeout_ns)


class Front:
    """A front on a loop of its own thread."""

    def __init__(self) -> None:
        self.backend = AtOnce()
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.protocol = protocol_of_tiny()
        backend = cast("BatchedBackend", self.backend)
        self._front = GrpcFrontEnd(self.protocol, backend, self.address, None, MAX_BYTES)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._started = threading.Event()

    def _run(self) -> None:
        self._loop.run_until_complete(self._front.start())
        self._started.set()
        self._loop.run_forever()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(20)

    def soon(self, what: object) -> None:
        self._loop.call_soon_threadsafe(what)  # type: ignore[arg-type]

    def drain(self) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(self._front.drain(), self._loop)

    def stop(self) -> None:
        self.drain().result(20)
        self.soon(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    front.start()
    yield front
    front.stop()


@pytest.fixture
def channel(front: Front) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(front.address) as channel:
        yield channel


def test_every_answer_goes_to_its_call(front: Front) -> None:
    def ask(worker: int) -> int:
        with grpc.insecure_channel(front.address, [("grpc.use_local_subchannel_pool", worker % 2)]) as channel:
            infer = channel.unary_unary(INFER)
            calls = [
                (number, infer.future(infer_message((worker, number, 0)), timeout=None if number % 3 else 20.0))
                for number in range(150)
            ]
            return sum(outputs_of(call.result(20)) == [worker, number] for number, call in calls)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(8))) == [150] * 8


def test_statuses_metadata_compression_and_large_messages(front: Front, channel: grpc.Channel) -> None:
    infer = channel.unary_unary(INFER)

    def status(content: bytes, path: str = INFER) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as e:
            channel.unary_unary(path)(content, timeout=20)
        return e.value.code()

    assert status(b"\xff\xff") is grpc.StatusCode.INVALID_ARGUMENT
    assert status(bytes(MAX_BYTES + 1)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status(b"", "/no.Such/Method") is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as e:
        list(channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")(iter([b"x"]), timeout=20))
    assert e.value.code() is grpc.StatusCode.UNIMPLEMENTED
    answer, call = infer.with_call(infer_message((1, 2, 3)), compression=grpc.Compression.Gzip, timeout=20)
    assert outputs_of(answer) == [1, 2]
    assert dict(call.trailing_metadata())["server-timing"] == "compute;dur=0.010000"
    long_id = "i" * 400_000  # makes the response larger than the client's windows
    for answer in [infer.future(infer_message((1, 2, 3), long_id), timeout=20) for _ in range(4)]:
        assert outputs_of(answer.result()) == [1, 2]
    front.backend.limit = 0
    assert status(infer_message((1, 2, 3))) is grpc.StatusCode.UNAVAILABLE


def test_a_call_given_up_is_forgotten(front: Front, channel: grpc.Channel) -> None:
    front.backend.held = True
    infer = channel.unary_unary(INFER)
    with pytest.raises(grpc.RpcError) as e:
        infer(infer_message((1, 2, 3)), timeout=0.2)
    assert e.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    cancelled = infer.future(infer_message((1, 2, 3)), timeout=20)
    cancelled.cancel()
    front.backend.held = False
    assert outputs_of(infer(infer_message((4, 5, 6)), timeout=20)) == [4, 5]


def test_tokens_are_asked_for(front: Front, channel: grpc.Channel) -> None:
    from targets.servers.http.guard import Guard

    front.protocol.guard = Guard("secret")
    infer = channel.unary_unary(INFER)
    with pytest.raises(grpc.RpcError) as e:
        infer(infer_message((1, 2, 3)), timeout=20)
    assert e.value.code() is grpc.StatusCode.UNAUTHENTICATED
    metadata = [("authorization", "Bearer secret")]
    assert outputs_of(infer(infer_message((1, 2, 3)), timeout=20, metadata=metadata)) == [1, 2]
    assert channel.unary_unary(LIVE)(b"", timeout=20) == b"\x08\x01"


def test_tritons_client(front: Front) -> None:
    from tritonclient import grpc as triton

    with triton.InferenceServerClient(front.address) as client:
        assert client.is_server_ready()
        tensor = triton.InferInput("input", [4, 3], "FP32")
        tensor.set_data_from_numpy(np.arange(12, dtype=np.float32).reshape(4, 3))
        for number in range(3):
            answer = client.infer("tiny", [tensor], request_id=f"n{number}", compression_algorithm="deflate")
            assert answer.get_response().id == f"n{number}"
            np.testing.assert_array_equal(answer.as_numpy("output"), [[0, 1], [3, 4], [6, 7], [9, 10]])


def test_a_drain_answers_what_it_has(front: Front, channel: grpc.Channel) -> None:
    front.backend.held = True
    pending = channel.unary_unary(INFER).future(infer_message((1, 2, 3)), timeout=20)
    channel.unary_unary(LIVE)(b"", timeout=20)  # the call before it has arrived, too
    drained = front.drain()
    front.backend.held = False
    front.soon(front.backend.compute_all)
    assert outputs_of(pending.result()) == [1, 2]
    drained.result(20)
