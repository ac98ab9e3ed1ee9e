"""The gRPC front end of the batched server, on the same event loop and the same queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError
from targets.certificate import HANDSHAKE_LIMIT_S
from targets.servers.grpc_v2.connection import CallConnection
from targets.servers.grpc_v2.service import GrpcService

if TYPE_CHECKING:
    import ssl

    from targets.certificate import Certificate
    from targets.servers.batched import BatchedBackend
    from targets.servers.protocols.protocol import ProtocolLayer

BACKLOG = 2048
HOUSEKEEPING_S = 1.0
DRAIN_POLL_S = 0.01
DRAIN_GRACE_NS = NS_PER_S // 2  # for connections without calls: a call may already be in transit
DRAIN_LIMIT_NS = 30 * NS_PER_S


class GrpcFrontEnd:
    """`GRPCInferenceService` on `address` (host:port), which is free or reserved with SO_REUSEPORT by this process."""

    _server: asyncio.Server
    _ticks: asyncio.TimerHandle

    def __init__(
        self,
        protocol: ProtocolLayer,
        backend: BatchedBackend,
        address: str,
        certificate: Certificate | None,
        max_bytes: int,
    ) -> None:
        self._service = GrpcService(protocol, backend, max_bytes)
        self._address = address
        self._certificate = certificate

    async def start(self) -> None:
        """Start to serve on the event loop. Raises UserError."""
        loop = asyncio.get_running_loop()
        self._service.start(loop)
        host, _, port = self._address.rpartition(":")
        tls = self._tls()
        try:
            self._server = await loop.create_server(
                lambda: CallConnection(self._service),
                host.strip("[]"),
                int(port),
                backlog=BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=HANDSHAKE_LIMIT_S if tls else None,
                reuse_port=True,
            )
        except OSError as error:
            raise UserError(
                f"grpc_port: {self._address} cannot be bound; choose another, or 0 for a free one"
            ) from error
        self._tick()

    def _tls(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = self._certificate.context()
        context.set_alpn_protocols(["h2"])
        return context

    def _tick(self) -> None:
        self._service.tick()
        self._ticks = asyncio.get_running_loop().call_later(HOUSEKEEPING_S, self._tick)

    async def drain(self) -> None:
        """Accept no more calls; return when all pending responses are sent."""
        service = self._service
        service.draining = True
        self._server.close()
        for connection in list(service.connections):
            connection.announce_end()
        start_ns = monotonic_ns()
        while service.connections and (spent_ns := monotonic_ns() - start_ns) < DRAIN_LIMIT_NS:
            if spent_ns > DRAIN_GRACE_NS:
                for connection in list(service.connections):
                    if not connection.calls:
                        connection.close()
            await asyncio.sleep(DRAIN_POLL_S)
        self._ticks.cancel()
