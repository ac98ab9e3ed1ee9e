"""A server that sends the same bytes to every connection, whatever it is asked, and closes it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

LIMIT_S = 1.0


class CannedBytes:
    """`content` may be changed between requests. One thread serves one connection after the other."""

    def __init__(self) -> None:
        self.content = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(LIMIT_S)
                connection.recv(1 << 16)
                connection.sendall(self.content)
