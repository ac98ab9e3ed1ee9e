"""The state of a gRPC front end that its connections share, and the methods of `GRPCInferenceService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import monotonic_ns
from harness.wire.grpc.messages import SERVICE, filled, message
from targets.servers.grpc_v2.call import message_of
from targets.servers.grpc_v2.codec import GrpcServerCodec
from targets.servers.http.refusals import PacedRefusals
from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.protocol import EXTENSIONS, SERVER_NAME, SERVER_VERSION

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.servers.batched import BatchedBackend
    from targets.servers.grpc_v2.call import GrpcCall
    from targets.servers.protocols.inference import InferRequest
    from targets.servers.protocols.protocol import ProtocolLayer

INFER = f"/{SERVICE}/ModelInfer"
UNGUARDED = {f"/{SERVICE}/ServerLive": Action.LIVE, f"/{SERVICE}/ServerReady": Action.READY}


class OpenConnection(Protocol):
    """A connection, as the service and the front end close it."""

    calls: dict[int, GrpcCall]  # without a complete response, by stream

    def tick(self) -> None:
        """Close what has been idle or unfinished for too long."""

    def announce_end(self) -> None:
        """Ask the client to make no more calls."""

    def close(self) -> None:
        """Close after the written bytes are sent."""


class GrpcService:
    """Answers complete calls, at once or through the batch queue of `backend`."""

    def __init__(self, protocol: ProtocolLayer, backend: BatchedBackend, max_bytes: int) -> None:
        self.protocol = protocol
        self.max_bytes = max_bytes
        self.connections: set[OpenConnection] = set()
        self.draining = False
        self._backend = backend
        self._codec = GrpcServerCodec(protocol.model)
        self._refusals = PacedRefusals()
        self._methods: dict[str, Callable[[Any], Any]] = {
            f"/{SERVICE}/{name}": method
            for name, method in (
                ("ServerLive", self._server_live),
                ("ServerReady", self._server_ready),
                ("ModelReady", self._model_ready),
                ("ServerMetadata", self._server_metadata),
                ("ModelMetadata", self._model_metadata),
                ("ModelConfig", self._model_config),
                ("ModelStatistics", self._model_statistics),
            )
        }

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first call."""
        self._refusals.start(loop, self._backend.rest)

    def resolve(self, path: str, authorization: bytes) -> None:
        """Raise ProtocolError where the method at `path` is unknown or the token is missing."""
        if path != INFER and path not in self._methods:
            raise ProtocolError(405, f"unknown method {path!r}: this server has unary calls of {SERVICE}")
        self.protocol.guard.check(authorization, UNGUARDED.get(path))

    def set_deadline(self, call: GrpcCall) -> None:
        """Note the deadline of a call whose headers have arrived now."""
        timeout_ns = call.head.timeout_ns
        if timeout_ns is not None:
            call.expires_call_ns = monotonic_ns() + timeout_ns

    def answer(self, call: GrpcCall, body: bytes | bytearray) -> None:
        """Respond to a call of which everything has arrived, now or later."""
        head = call.head
        try:
            content = message_of(body, head.encoding, self.max_bytes)
            if head.path != INFER:
                call.send(self._document(head.path, content))
            elif not self._infer(call, content):
                self._refusals.add(call)
        except ProtocolError as error:
            call.refuse(error)

    def tick(self) -> None:
        """Close connections that are idle or slow for too long. Called about once a second."""
        for connection in list(self.connections):
            connection.tick()

    def _infer(self, call: GrpcCall, content: bytes) -> bool:
        backend = self._backend
        if not backend.has_room():
            return False
        request = self.protocol.admitted(self._codec.decode(content, backend.max_rows))
        call.request = request
        call.rows = request.weight
        return backend.offer(call, _timeout_ns(request, call))

    def _document(self, path: str, content: bytes) -> bytes:
        from google.protobuf.message import DecodeError

        name = path.rpartition("/")[2]
        try:
            request = message(f"{name}Request").FromString(content)
        except DecodeError as error:
            raise ProtocolError(400, f"the request is not a valid {name}Request message") from error
        serialised: bytes = self._methods[path](request).SerializeToString()
        return serialised

    @property
    def _ready(self) -> bool:
        return not self.draining and self._backend.able()

    def _server_live(self, request: Any) -> Any:
        del request
        return message("ServerLiveResponse")(live=True)

    def _server_ready(self, request: Any) -> Any:
        del request
        return message("ServerReadyResponse")(ready=self._ready)

    def _model_ready(self, request: Any) -> Any:
        self._codec.check_model(request.name, request.version)
        return message("ModelReadyResponse")(ready=self._ready)

    def _server_metadata(self, request: Any) -> Any:
        del request
        return message("ServerMetadataResponse")(name=SERVER_NAME, version=SERVER_VERSION, extensions=EXTENSIONS)

    def _model_metadata(self, request: Any) -> Any:
        self._codec.check_model(request.name, request.version)
        return message("ModelMetadataResponse")(**self.protocol.v2_metadata())

    def _model_config(self, request: Any) -> Any:
        self._codec.check_model(request.name, request.version)
        return filled("ModelConfigResponse", {"config": self.protocol.model_config()})

    def _model_statistics(self, request: Any) -> Any:
        if request.name:  # empty: all models
            self._codec.check_model(request.name, request.version)
        return filled("ModelStatisticsResponse", self.protocol.model_statistics())


def _timeout_ns(request: InferRequest, call: GrpcCall) -> int | None:
    """The minimum of the request's timeout and the time left until the call's deadline."""
    if call.expires_call_ns is None:
        return request.timeout_ns
    left_ns = max(0, call.expires_call_ns - monotonic_ns())
    return left_ns if request.timeout_ns is None else min(request.timeout_ns, left_ns)
