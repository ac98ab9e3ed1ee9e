"""A request that cannot be answered as asked: it carries the status that says so."""

from __future__ import annotations


class ProtocolError(Exception):
    """The client's mistake, or a refusal. Both protocols answer it as `{"error": message}`.

    `headers` are whole extra header lines, each with its line break.
    """

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def expired() -> ProtocolError:
    """The answer to a request that nobody waits for any more: its time was over before its turn came."""
    return ProtocolError(504, "the request's timeout was over before its turn came")


def queue_full() -> ProtocolError:
    """The refusal of a full queue."""
    return ProtocolError(
        503,
        "no room now: the queue is full, or a process of the model is being started again; try again",
        b"retry-after: 1\r\n",
    )
