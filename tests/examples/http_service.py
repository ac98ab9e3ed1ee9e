"""HTTP services of tests, on a free port of this machine."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class JsonHandler(http.server.BaseHTTPRequestHandler):
    """Answers with JSON, on connections that stay open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status: int, document: Any) -> None:
        """Send `document` as JSON."""
        self.send(status, json.dumps(document).encode())

    def send(self, status: int, body: bytes, kind: str = "") -> None:
        """Send a whole response, which declares that it is of `kind`."""
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextlib.contextmanager
def served_by(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL at which it answers."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def texts_at(texts: Mapping[str, str]) -> type[JsonHandler]:
    """Answers each path with its text, as it is in `texts` then, and 404 where there is none."""

    class Handler(JsonHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            body = texts.get(self.path, "").encode()
            self.send(200 if body else 404, body)

    return Handler
