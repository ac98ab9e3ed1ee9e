"""The control channel: how a parent process speaks with a child it started.

A socket pair whose one end the child inherits; JSON lines both ways. It is also the lifeline: when the
parent dies, even by kill -9, the child reads end-of-file and ends itself, so no orphan is left.

child to parent: {"event": "progress", "stage": str, "done": n, "total": n}
                 {"event": "ready", ...}   {"event": "set", "knobs": {...}}   {"event": "error", "message": str}
parent to child: {"set": {knob: value}}    {"stop": true}
"""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]
MAX_LINE_BYTES = 1 << 20


class ControlChannel:
    """One end of the channel. `receive` blocks; `send` may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = b""
        self._send_lock = threading.Lock()

    @classmethod
    def pair(cls) -> tuple[ControlChannel, socket.socket]:
        """The parent's end, and the socket whose descriptor the child inherits."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    @classmethod
    def inherited(cls, descriptor: int) -> ControlChannel:
        """The child's end."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def send(self, message: Message) -> None:
        """Send one message; silently nothing where the other side is gone (it will be noticed on receive)."""
        with self._send_lock:
            try:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                return

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message, None when the other side is gone. Raises TimeoutError; what came until then is kept."""
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._received:
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                return None
            self._received += chunk
            if not chunk or len(self._received) > MAX_LINE_BYTES:
                return None
        line, _, self._received = self._received.partition(b"\n")
        message: Message = json.loads(line)
        return message

    def watch(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> threading.Thread:
        """Hand every message to `on_message` from a daemon thread; call `on_lost` once the parent is gone."""

        def loop() -> None:
            while (message := self.receive()) is not None:
                on_message(message)
            on_lost()

        thread = threading.Thread(target=loop, name="control", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
