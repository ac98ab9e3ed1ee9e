"""The control channel between a process and the child that it starts: a socket pair, JSON lines both ways.

The child inherits one end. The channel is also the lifeline: when the parent ends, even by kill -9, the child reads
end-of-file and ends itself.

child to parent: {"event": "progress", "stage": str, "done": n, "total": n}
                 {"event": "ready", ...}   {"event": "set", "knobs": {...}}   {"event": "error", "message": str}
parent to child: {"set": {knob: value}}    {"stop": true}
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from harness.system.process_guard import wake_when_parent_dies

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]
MAX_LINE_BYTES = 1 << 20
LAST_LIMIT_S = 45  # a server may drain for 35 s


class ControlChannel:
    """One end of the channel. `receive` blocks; `send` may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.complaint = ""  # the last error that `next_event` received
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
        wake_when_parent_dies()
        return cls(socket.socket(fileno=descriptor))

    def send(self, message: Message) -> None:
        """Send one message; does nothing where the other side is gone, which `receive` reports."""
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

    def next_event(self, timeout_s: float, progress: Callable[[str, int, int], None] | None) -> Message | None:
        """The next message that is neither progress, which goes to `progress`, nor an error, kept as `complaint`.

        None when the other side is gone. Raises TimeoutError after `timeout_s` of silence.
        """
        while (message := self.receive(timeout_s)) is not None:
            if message.get("event") == "error":
                self.complaint = str(message["message"])
            elif message.get("event") != "progress":
                break
            elif progress is not None:
                progress(message["stage"], message["done"], message["total"])
        return message

    def watch(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> threading.Thread:
        """Hand every message to `on_message` from a daemon thread; call `on_lost` once the parent is gone.

        The process then has LAST_LIMIT_S to end, whatever it is doing.
        """

        def loop() -> None:
            while (message := self.receive()) is not None:
                on_message(message)
            signal.alarm(LAST_LIMIT_S)
            on_lost()

        thread = threading.Thread(target=loop, name="control", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
