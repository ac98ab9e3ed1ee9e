"""Serves the live page on 127.0.0.1 while a run measures: the page, and its state as JSON."""

from __future__ import annotations

import contextlib
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec

from harness.cli.live.live_state import RunWatch
from harness.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.cli.live.live_state import LiveState
    from harness.run.events import Event, Listener

HOST = "127.0.0.1"
OPEN_NS = 1_500_000_000  # a page that has asked since so long is still open


@contextlib.contextmanager
def watched(run_dir: Path, listener: Listener) -> Iterator[Listener]:
    """A listener that also feeds a live page, which is served until the block ends. Its address is printed."""
    from reports.rendering import live_html

    watch = RunWatch(run_dir)
    server = LiveServer(watch, live_html().encode())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True)
    thread.start()
    print(f"live: http://{HOST}:{server.server_port}/", file=sys.stderr, flush=True)

    def both(event: Event) -> None:
        watch(event)
        listener(event)

    try:
        yield both
    except KeyboardInterrupt:
        watch.interrupted = True
        raise
    finally:
        watch.ended = True
        server.await_last_question()
        server.shutdown()
        server.server_close()


class LiveServer(ThreadingHTTPServer):
    """Two documents, for browsers on this machine alone."""

    daemon_threads = True

    def __init__(self, watch: RunWatch, page: bytes) -> None:
        super().__init__((HOST, 0), _Handler)
        self.watch = watch
        self.page = page
        self._asked_ns = 0
        self._heard = threading.Event()  # that the run has ended, by an open page

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a browser that has gone in the middle of a response."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def state(self) -> LiveState:
        """What is to be shown now."""
        self._asked_ns = monotonic_ns()
        return self.watch.state()

    def note_heard(self) -> None:
        """Note that an open page has received that the run has ended."""
        self._heard.set()

    def await_last_question(self) -> None:
        """Wait a moment for an open page, which asks once a second, to hear that the run has ended."""
        if self._asked_ns and monotonic_ns() - self._asked_ns < OPEN_NS:
            self._heard.wait(OPEN_NS / NS_PER_S)


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = 10

    def do_GET(self) -> None:
        # A page of another site could reach this address by a name of its own (DNS rebinding).
        known = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in known:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path == "/":
            self._send("text/html; charset=utf-8", self.server.page)
        elif self.path == "/state":
            state = self.server.state()
            self._send("application/json", msgspec.json.encode(state))
            if state.ended:
                self.server.note_heard()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the base class)
        """Print nothing: standard error belongs to the progress of the run."""
