"""The fixed-size messages between the process that listens and a worker process."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

MAX_AXES = 6
_JOB = struct.Struct(f"<i{MAX_AXES}iqq")
SIZE = _JOB.size
FAILED_NS = -1


class Job(NamedTuple):
    """A job for a worker: a tensor of `shape` in `slot`. The reply has the output's shape and the times of the call."""

    slot: int
    shape: tuple[int, ...]  # rows first
    began_ns: int = 0
    ended_ns: int = 0  # FAILED_NS: the model raised an exception

    def send(self, sock: socket.socket) -> None:
        """Send the job. The few jobs in flight always fit into the socket's buffer. Raises OSError."""
        axes = (*self.shape, *(0 for _ in range(MAX_AXES - len(self.shape))))
        sock.sendall(_JOB.pack(self.slot, *axes, self.began_ns, self.ended_ns))


def parse(message: bytes) -> Job:
    """Decode a job from `SIZE` bytes."""
    slot, *axes, began_ns, ended_ns = _JOB.unpack(message)
    return Job(slot, tuple(size for size in axes if size), began_ns, ended_ns)


def receive(sock: socket.socket) -> Job | None:
    """Wait for the next job; None when the other side has closed the socket."""
    try:
        message = sock.recv(SIZE, socket.MSG_WAITALL)
    except OSError:
        return None
    return parse(message) if len(message) == SIZE else None
