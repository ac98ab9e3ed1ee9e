"""A small HTTP service whose every response costs a known amount of work, for finding out what a gate finds.

    python -m tests.benchmarks.worked_service --port 8101 --rounds 40 --sleep-ms 0

A round hashes 64 KiB: 10 % more rounds are a slowdown of the CPU by 10 %.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import time

BLOCK = bytes(65536)


def handler(rounds: int, sleep_s: float) -> type[http.server.BaseHTTPRequestHandler]:
    """Answers every request alike after so much work and sleep."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            digest = hashlib.sha256()
            for _ in range(rounds):
                digest.update(BLOCK)
            if sleep_s:
                time.sleep(sleep_s)
            body = b'{"ok": true}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sleep-ms", type=float, default=0.0)
    given = parser.parse_args()
    service = handler(given.rounds, given.sleep_ms / 1e3)
    http.server.ThreadingHTTPServer(("127.0.0.1", given.port), service).serve_forever()


if __name__ == "__main__":
    main()
