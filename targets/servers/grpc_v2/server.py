"""The gRPC front end of the batched server, on the same event loop and the same queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.wire.grpc.messages import SERVICE, filled, message
from targets.servers.grpc_v2.codec import GrpcServerCodec
from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError, queue_full
from targets.servers.protocols.protocol import EXTENSIONS, SERVER_NAME, SERVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from targets.certificate import Certificate
    from targets.servers.batched import BatchedBackend
    from targets.servers.protocols.inference import InferRequest
    from targets.servers.protocols.protocol import ProtocolLayer

DRAIN_LIMIT_S = 30
UNGUARDED_CALLS = {"ServerLive": Action.LIVE, "ServerReady": Action.READY}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GrpcExchange:
    """One call and its pending response. While it waits for the model it is an item of the batch queue."""

    __slots__ = ("_response", "arrived_ns", "expires_ns", "request", "rows")

    arrived_ns: int
    expires_ns: int

    def __init__(self, request: InferRequest, response: asyncio.Future[tuple[bytes, bytes]]) -> None:
        self.request = request
        self.rows = request.weight
        self._response = response

    def deliver(self, headers: bytes, timing: bytes, body: bytes) -> None:
        """Pass (timing, output bytes) to the waiting call. Does nothing where the client has gone."""
        del headers
        if not self._response.done():
            self._response.set_result((timing, body))

    def refuse(self, error: ProtocolError) -> None:
        """End the waiting call with `error`."""
        if not self._response.done():
            self._response.set_exception(error)


class GrpcFrontEnd:
    """`GRPCInferenceService` on `address` (host:port), which is free or reserved with SO_REUSEPORT by this process."""

    _server: Any

    def __init__(
        self,
        protocol: ProtocolLayer,
        backend: BatchedBackend,
        address: str,
        certificate: Certificate | None,
        max_bytes: int,
    ) -> None:
        self._protocol = protocol
        self._backend = backend
        self._codec = GrpcServerCodec(protocol.model)
        self._address = address
        self._certificate = certificate
        self._max_bytes = max_bytes
        self._draining = False

    async def start(self) -> None:
        """Start to serve on the event loop. Raises UserError."""
        import grpc

        self._grpc = grpc
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", self._max_bytes)])
        handlers = {name: self._handler(name, call) for name, call in self._calls().items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            self._add_port(grpc)
        except RuntimeError as error:
            raise UserError(
                f"grpc_port: {self._address} cannot be bound; choose another, or 0 for a free one"
            ) from error
        await self._server.start()

    def _add_port(self, grpc: Any) -> None:
        if self._certificate is None:
            self._server.add_insecure_port(self._address)
            return
        pair = self._certificate.key.read_bytes(), self._certificate.chain.read_bytes()
        self._server.add_secure_port(self._address, grpc.ssl_server_credentials([pair]))

    async def drain(self) -> None:
        """Accept no more calls; return when all pending responses are sent."""
        self._draining = True
        await self._server.stop(DRAIN_LIMIT_S)

    def _calls(self) -> dict[str, Callable[[Any, Any], Awaitable[Any]]]:
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
        }

    def _handler(self, name: str, call: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        async def respond(raw: bytes, context: Any) -> Any:
            try:
                self._protocol.guard.check(_authorization(context), UNGUARDED_CALLS.get(name))
                return await call(_decoded(f"{name}Request", raw), context)
            except ProtocolError as error:
                self._protocol.telemetry.count_error(error.status)
                code = getattr(self._grpc.StatusCode, STATUS.get(error.status, "INTERNAL"))
                await context.abort(code, str(error))

        # Without a deserializer gRPC passes the bytes: its own reply to a malformed message would be UNKNOWN.
        return self._grpc.unary_unary_rpc_method_handler(
            respond, response_serializer=message(f"{name}Response").SerializeToString
        )

    @property
    def _ready(self) -> bool:
        return not self._draining and self._backend.able()

    async def _server_live(self, request: Any, context: Any) -> Any:
        del request, context
        return message("ServerLiveResponse")(live=True)

    async def _server_ready(self, request: Any, context: Any) -> Any:
        del request, context
        return message("ServerReadyResponse")(ready=self._ready)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        del context
        self._codec.check_model(request.name, request.version)
        return message("ModelReadyResponse")(ready=self._ready)

    async def _server_metadata(self, request: Any, context: Any) -> Any:
        del request, context
        return message("ServerMetadataResponse")(name=SERVER_NAME, version=SERVER_VERSION, extensions=EXTENSIONS)

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        del context
        self._codec.check_model(request.name, request.version)
        return message("ModelMetadataResponse")(**self._protocol.v2_metadata())

    async def _model_config(self, request: Any, context: Any) -> Any:
        del context
        self._codec.check_model(request.name, request.version)
        return filled("ModelConfigResponse", {"config": self._protocol.model_config()})

    async def _model_statistics(self, request: Any, context: Any) -> Any:
        del context
        if request.name:  # empty: all models
            self._codec.check_model(request.name, request.version)
        return filled("ModelStatisticsResponse", self._protocol.model_statistics())

    async def _model_infer(self, request: Any, context: Any) -> Any:
        if not self._backend.has_room():
            raise queue_full()
        decoded = self._protocol.admitted(self._codec.decode(request, self._backend.max_rows))
        response: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        timeout_ns = _shortest(decoded.timeout_ns, context.time_remaining())
        if not self._backend.offer(GrpcExchange(decoded, response), timeout_ns):
            raise queue_full()
        timing, raw = await response
        name, _, value = timing.decode().rstrip().partition(": ")
        context.set_trailing_metadata(((name, value),))
        return self._codec.encode(request.id, decoded.rows, raw)


def _decoded(kind: str, raw: bytes) -> Any:
    """The message in `raw`. Raises ProtocolError where the bytes are not a protobuf message of this kind."""
    from google.protobuf.message import DecodeError

    try:
        return message(kind).FromString(raw)
    except DecodeError as error:
        raise ProtocolError(400, f"the request is not a valid {kind} message") from error


def _authorization(context: Any) -> bytes:
    found = dict(context.invocation_metadata() or ()).get("authorization", "")
    return found.encode() if isinstance(found, str) else bytes(found)


def _shortest(timeout_ns: int | None, call_remaining_s: float | None) -> int | None:
    """The minimum of the request's timeout and the time left until the call's deadline."""
    if call_remaining_s is None:
        return timeout_ns
    remaining_ns = max(0, round(call_remaining_s * NS_PER_S))
    return remaining_ns if timeout_ns is None else min(timeout_ns, remaining_ns)
