"""How long a response lay in the kernel before the load process read it, by the kernel's own time stamps.

A load process that is busy reads late, and what it measures as the server's time is in part its own. The kernel stamps
every packet at its arrival where a socket asks for that (SO_TIMESTAMPNS, socket(7)). To read a stamp costs some three
microseconds, so that only some connections do, and each of them at most every 10 ms.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, NS_PER_S, age_ns, monotonic_ns
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from _socket import socket as RawSocket  # noqa: N812

STAMPED_USERS = 8  # every so many-th user's connection reads stamps
INTERVAL_NS = 10 * NS_PER_MS
SO_TIMESTAMPNS = 35  # of Linux on x86 and ARM; Python does not name it
LONGEST_NS = 60 * NS_PER_S  # an older stamp is one of a clock that was set
_STAMP = struct.Struct("qq")  # seconds, nanoseconds
_ROOM = socket.CMSG_SPACE(_STAMP.size)


class StampedReceiver:
    """Receives from a socket; `waited_ns` is how long the last bytes had lain in the kernel, ABSENT where unknown."""

    __slots__ = ("_next_ns", "_receive", "_receive_stamped", "waited_ns")

    def __init__(self, sock: RawSocket) -> None:
        self._receive = sock.recv
        self._receive_stamped = sock.recvmsg
        self._next_ns = 0  # when the next stamp is read
        self.waited_ns = ABSENT

    @classmethod
    def of(cls, sock: RawSocket) -> StampedReceiver | None:
        """A receiver for the socket; None where the kernel does not stamp its packets."""
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            return None
        return cls(sock)

    def recv(self, size: int) -> bytes:
        """As that of a socket. Raises OSError, of which BlockingIOError is one."""
        now_ns = monotonic_ns()
        if now_ns < self._next_ns:
            data = self._receive(size)
            self.waited_ns = ABSENT
            return data
        data, ancillary, _, _ = self._receive_stamped(size, _ROOM)
        self._next_ns = now_ns + INTERVAL_NS
        self.waited_ns = ABSENT
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) == _STAMP.size:
                seconds, nanoseconds = _STAMP.unpack(content)
                waited_ns = age_ns(seconds * NS_PER_S + nanoseconds)
                self.waited_ns = waited_ns if 0 <= waited_ns < LONGEST_NS else ABSENT
        return data
