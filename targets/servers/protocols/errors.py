"""Errors of inference protocols, with their HTTP status."""

from __future__ import annotations


class ProtocolError(Exception):
    """A client error or a refusal; the response body is `{"error": message}`.

    `headers` are additional header lines, each with its line break.
    """

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def expired() -> ProtocolError:
    """The error of a request whose timeout ended while it waited in the queue."""
    return ProtocolError(504, "the request's timeout ended while it waited in the queue")


def queue_full() -> ProtocolError:
    """The error of a request that the queue cannot take."""
    return ProtocolError(
        503,
        "the queue is full, or a process of the model is being started again; try again",
        b"retry-after: 1\r\n",
    )
