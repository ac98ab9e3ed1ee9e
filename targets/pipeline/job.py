"""What goes over the socket between the process that listens and one that computes: a few numbers, always as many."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

MAX_AXES = 6
_ERRAND = struct.Struct(f"<i{MAX_AXES}iqq")
SIZE = _ERRAND.size
FAILED_NS = -1


class Errand(NamedTuple):
    """A tensor of `shape` in `slot`; on the way back that of the output, and when the model call began and ended."""

    slot: int
    shape: tuple[int, ...]  # rows first
    began_ns: int = 0
    ended_ns: int = 0  # FAILED_NS: the model raised

    def send(self, sock: socket.socket) -> None:
        """Write it; the few that are ever under way fit into any socket's buffer. Raises OSError."""
        axes = (*self.shape, *(0 for _ in range(MAX_AXES - len(self.shape))))
        sock.sendall(_ERRAND.pack(self.slot, *axes, self.began_ns, self.ended_ns))


def parse(message: bytes) -> Errand:
    """The errand in `SIZE` bytes."""
    slot, *axes, began_ns, ended_ns = _ERRAND.unpack(message)
    return Errand(slot, tuple(size for size in axes if size), began_ns, ended_ns)


def receive(sock: socket.socket) -> Errand | None:
    """The next errand; blocks. None when the other side is gone."""
    try:
        message = sock.recv(SIZE, socket.MSG_WAITALL)
    except OSError:
        return None
    return parse(message) if len(message) == SIZE else None
