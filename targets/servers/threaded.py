"""`threaded`: one thread per connection and one model call per request."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_S, MonotonicClock, monotonic_ns
from targets.certificate import HANDSHAKE_LIMIT_S
from targets.servers.http.head import KEEP_ALIVE
from targets.servers.http.responses import CLOSE, OK, refusal, response, timing_queue
from targets.servers.http.routes import HEAD, INFERENCE, Action
from targets.servers.model_call import run_batch
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from harness.plan.knobs import Setting
    from targets.engines import InferenceEngine
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.protocols.protocol import ProtocolLayer

BACKLOG = 2048
DISCARD_BYTES = 64 * 1024
DRAIN_GRACE_NS = NS_PER_S // 2  # for idle connections: a request may already be in transit
DRAIN_LIMIT_NS = 30 * NS_PER_S
DRAIN_POLL_NS = NS_PER_S // 100
WARM_CALLS = 5
FORCED_EXIT = 130
MAX_ROWS = 4096  # of one request


class ThreadedService:
    """The state that the threads of one server share."""

    def __init__(
        self, protocol: ProtocolLayer, engine: InferenceEngine, assembler: InputAssembler, max_body_bytes: int
    ) -> None:
        self.protocol = protocol
        self.engine = engine
        self.assembler = assembler
        self.max_body_bytes = max_body_bytes
        self.draining = False
        self._lock = threading.Lock()
        self.busy = 0  # requests in progress

    def respond(self, action: Action, body: bytes, json_length: int | None) -> tuple[bytes, bytes]:
        """(status line and headers, body). Raises ProtocolError."""
        if action not in INFERENCE:
            kind, document = self.protocol.document(action, ready=not self.draining)
            return OK + b"content-type: %s\r\n" % kind, document
        arrived_ns = monotonic_ns()
        request = self.protocol.decode(action, body, json_length, MAX_ROWS)
        began_ns = monotonic_ns()
        done = run_batch(self.engine, self.assembler, [request], self.protocol.explainer)
        with self._lock:
            self.protocol.telemetry.count_batch(done, [began_ns - arrived_ns])
        headers, content = done.responses[0]
        return OK + headers + timing_queue(0, 0, done.rows, began_ns) + done.timing_of(request), content

    def refuse(self, error: ProtocolError) -> tuple[bytes, bytes]:
        """The protocol's error response. Counts it."""
        with self._lock:
            self.protocol.telemetry.count_error(error.status)
        return refusal(error)

    def enter(self) -> None:
        """Count a request that begins."""
        with self._lock:
            self.busy += 1

    def leave(self) -> None:
        """Count a request that has ended."""
        with self._lock:
            self.busy -= 1


class ThreadedServer:
    """`ThreadingHTTPServer` on one listening socket; `run` blocks."""

    def __init__(self, service: ThreadedService, max_connections: int, tls: ssl.SSLContext | None = None) -> None:
        self._service = service
        self._max_connections = max_connections
        self._tls = tls
        self._stopping = threading.Event()

    def run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT; a second signal ends the process at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._warm()
        server = _Listener(sock, self._service, self._max_connections, self._tls)
        accepting = threading.Thread(target=server.serve_forever, name="accept", kwargs={"poll_interval": 0.1})
        accepting.start()
        on_ready()
        self._stopping.wait()
        server.shutdown()
        accepting.join()
        self._drain(server)

    def stop(self) -> None:
        """Begin to drain. May be called from any thread and repeatedly."""
        self._stopping.set()

    def set_knobs(self, setting: Setting, done: Callable[[], None]) -> None:
        """Do nothing: no knob of this server is live."""
        del setting
        done()

    def _on_signal(self, number: int, frame: object) -> None:
        del number, frame
        if self._stopping.is_set():
            os._exit(FORCED_EXIT)
        self._stopping.set()

    def _warm(self) -> None:
        for _ in range(WARM_CALLS):
            self._service.engine.predict(self._service.assembler.sample_batch(1))

    def _drain(self, server: _Listener) -> None:
        self._service.draining = True
        clock = MonotonicClock()
        start_ns = clock.now_ns()
        server.socket.close()
        while server.connections:
            spent_ns = clock.now_ns() - start_ns
            if spent_ns > DRAIN_LIMIT_NS or (spent_ns > DRAIN_GRACE_NS and not self._service.busy):
                return
            clock.sleep_until_ns(clock.now_ns() + DRAIN_POLL_NS)


class _Listener(ThreadingHTTPServer):
    """Accepts up to `max_connections` connections, and refuses further ones with 503."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, sock: socket.socket, service: ThreadedService, max_connections: int, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.service = service
        self._max_connections = max_connections
        self._tls = tls
        self.connections = 0
        self._lock = threading.Lock()
        sock.listen(BACKLOG)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection, or refuse it."""
        with self._lock:
            admitted = self.connections < self._max_connections
            self.connections += admitted
        if admitted:
            super().process_request(request, client_address)
        elif self._tls is None:
            self._refuse(request)
        else:  # a handshake may wait for the client, and the listener must not
            threading.Thread(target=self._refuse, args=(request,), daemon=True).start()

    def _refuse(self, request: socket.socket) -> None:
        error = ProtocolError(503, "too many connections", b"retry-after: 1\r\n")
        with contextlib.suppress(OSError):  # the client has gone, or the TLS handshake failed
            request = self._secured(request)
            request.sendall(response(*self.service.refuse(error), CLOSE))
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(self._secured(request), client_address)
        except OSError:
            self.shutdown_request(request)  # the TLS handshake failed
        finally:
            with self._lock:
                self.connections -= 1

    def _secured(self, request: socket.socket) -> socket.socket:
        if self._tls is None:
            return request
        request.settimeout(HANDSHAKE_LIMIT_S)
        return self._tls.wrap_socket(request, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors, except those of clients that disconnect."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection; the standard library parses the heads."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = 75
    disable_nagle_algorithm = True

    def handle_one(self) -> None:
        """Respond to the request whose head has been read."""
        service = self.server.service
        service.enter()
        try:
            self._reply(*self._response(service))
        finally:
            service.leave()

    # The names are those of http.server.
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = handle_one  # noqa: N815

    def _response(self, service: ThreadedService) -> tuple[bytes, bytes]:
        try:
            body = self._read_body(service.max_body_bytes)
            action = self._action(service.protocol)
            return service.respond(action, body, self._whole_number("inference-header-content-length"))
        except ProtocolError as error:
            return service.refuse(error)
        except Exception as error:  # noqa: BLE001  (the model is foreign code: its failure is the request's)
            self.log_error("the model failed: %r", error)
            return service.refuse(ProtocolError(500, "the model failed; the server's log says why"))

    def _action(self, protocol: ProtocolLayer) -> Action:
        authorization = self.headers.get("authorization", "").encode("latin-1")
        try:
            action = protocol.routes.find(self.command, self.path)
        except ProtocolError:
            protocol.guard.check(authorization)  # a client without the token must not learn which paths exist
            raise
        protocol.guard.check(authorization, action)
        return action

    def _read_body(self, max_bytes: int) -> bytes:
        if "transfer-encoding" in self.headers:
            self.close_connection = True
            raise ProtocolError(411, "this server needs a content-length")
        length = self._whole_number("content-length") or 0
        if length > max_bytes:
            for start in range(0, length, DISCARD_BYTES):
                self._read(min(DISCARD_BYTES, length - start))
            raise ProtocolError(413, f"the body is larger than {max_bytes} bytes")
        return self._read(length)

    def _read(self, length: int) -> bytes:
        """The next `length` bytes of the body. Raises ProtocolError where they do not arrive."""
        try:
            data = self.rfile.read(length)
        except OSError as error:  # it is the client's failure, not the model's
            self.close_connection = True
            raise ProtocolError(408, "the request took too long to arrive, or its client has gone") from error
        if len(data) < length:
            self.close_connection = True
            raise ProtocolError(400, "the request is incomplete")
        return data

    def _whole_number(self, header: str) -> int | None:
        text = self.headers.get(header)
        if text is None:
            return None
        if not text.isdigit():
            self.close_connection = True
            raise ProtocolError(400, f"{header} must be a whole number")
        return int(text)

    def _reply(self, status_and_headers: bytes, body: bytes) -> None:
        if self.server.service.draining:
            self.close_connection = True
        kept = KEEP_ALIVE.get(self.request_version.removeprefix("HTTP/"), b"")
        connection = CLOSE if self.close_connection else kept
        self.wfile.write(response(status_and_headers, body, connection, wants_body=self.command != HEAD))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send the errors that the standard library detects (malformed head, unknown method) in this server's form."""
        del explain
        self.close_connection = True
        status = 405 if code == 501 else int(code)
        self._reply(*self.server.service.refuse(ProtocolError(status, message or "malformed HTTP request")))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's name)
        """Do nothing: requests are counted, not logged."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's name)
        """Log an error."""
        BaseHTTPRequestHandler.log_message(self, format, *args)
