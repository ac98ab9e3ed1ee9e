"""The event-loop server: accepts connections, serves until `stop`, sends the pending responses, and ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING, Protocol

import uvloop

from harness.clock import NS_PER_S, monotonic_ns
from targets.certificate import HANDSHAKE_LIMIT_S
from targets.servers.http.connection import ServerConnection

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from harness.plan.knobs import Setting
    from targets.servers.http.service import HttpService

BACKLOG = 2048
HOUSEKEEPING_S = 1.0
DRAIN_POLL_S = 0.01
DRAIN_GRACE_NS = NS_PER_S // 2  # for idle connections: a request may already be in transit
DRAIN_LIMIT_NS = 30 * NS_PER_S
FORCED_EXIT = 130


class FrontEnd(Protocol):
    """The front end of another protocol on the same event loop."""

    async def start(self) -> None:
        """Start to serve."""

    async def drain(self) -> None:
        """Accept no more requests, and return when all pending responses are sent."""


class EventServer:
    """One `HttpService` on one listening socket; `run` blocks."""

    def __init__(
        self,
        service: HttpService,
        apply: Callable[[Setting], None],
        fronts: Sequence[FrontEnd] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._service = service
        self._apply = apply
        self._fronts = fronts
        self._tls = tls
        self._loop = uvloop.new_event_loop()
        self._stopping = asyncio.Event()

    def run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT; a second signal ends the process at once."""
        asyncio.set_event_loop(self._loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal)
        try:
            self._loop.run_until_complete(self._serve(sock, on_ready))
        finally:
            self._loop.close()

    def stop(self) -> None:
        """Begin to drain. May be called from any thread and repeatedly."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    def set_knobs(self, setting: Setting, done: Callable[[], None]) -> None:
        """Apply live knobs on the event loop, then call `done`. From any thread."""

        def on_loop() -> None:
            self._apply(setting)
            done()

        self._loop.call_soon_threadsafe(on_loop)

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            os._exit(FORCED_EXIT)
        self._stopping.set()

    async def _serve(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        self._service.start(self._loop)
        limit_s = HANDSHAKE_LIMIT_S if self._tls else None
        server = await self._loop.create_server(
            lambda: ServerConnection(self._service),
            sock=sock,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=limit_s,
        )
        for front in self._fronts:
            await front.start()
        self._service.tick()
        # The objects that exist now are permanent: a full collection would only stop the loop to visit them.
        gc.collect()
        gc.freeze()
        on_ready()
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), HOUSEKEEPING_S)
            except TimeoutError:
                self._service.tick()
        server.close()
        await asyncio.gather(self._drain(), *(front.drain() for front in self._fronts))
        self._service.backend.stop()

    async def _drain(self) -> None:
        service = self._service
        service.drain()
        start_ns = monotonic_ns()
        while service.connections and (spent_ns := monotonic_ns() - start_ns) < DRAIN_LIMIT_NS:
            if spent_ns > DRAIN_GRACE_NS:
                for connection in [connection for connection in service.connections if not connection.busy]:
                    connection.close()
            await asyncio.sleep(DRAIN_POLL_S)
