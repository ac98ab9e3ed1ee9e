"""Sends a completion to its client, token by token or as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.clock import NS_PER_MS
from targets.servers.http.responses import OK
from targets.servers.protocols.inference import JSON_HEADERS

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from targets.generation.sequence import Sequence
    from targets.generation.text import Tokenizer
    from targets.servers.chat.frames import Frames
    from targets.servers.http.exchange import HttpExchange
    from targets.servers.protocols.errors import ProtocolError

STREAM_HEADERS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-store\r\n"


class ChatResponse(Protocol):
    """The response to one request. Calls come as `begin`, `token` for each token, `finish`; or `fail` at any time."""

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """Called when the model has generated the first token."""

    def token(self, token: int) -> None:
        """Called with each token."""

    def finish(self, sequence: Sequence) -> None:
        """Called when the completion has ended."""

    def fail(self, error: ProtocolError) -> bool:
        """Called where the completion cannot continue; False where it was too late to send the error."""


class StreamedResponse:
    """Sends server-sent events. The head is sent with the first token and has the time to it."""

    def __init__(self, exchange: HttpExchange, frames: Frames, texts: Several[bytes], *, include_usage: bool) -> None:
        self._exchange = exchange
        self._frames = frames
        self._texts = texts
        self._include_usage = include_usage
        self._head = b""
        self._begun = False

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """Build the head."""
        self._head = OK + STREAM_HEADERS + _timing(sequence, now_ns)

    def token(self, token: int) -> None:
        """Send one token."""
        frame = self._frames.token(self._texts[token], first=not self._begun)
        if self._begun:
            self._exchange.write(frame)
        else:
            self._begun = True
            self._exchange.open_stream(self._head, frame)

    def finish(self, sequence: Sequence) -> None:
        """Send the finish reason and end the stream."""
        if not self._begun:
            self._exchange.open_stream(self._head, b"")
        self._exchange.close_stream(self._frames.end(sequence, include_usage=self._include_usage))

    def fail(self, error: ProtocolError) -> bool:
        """Send the error; where the stream has begun, reset the connection so that it does not look complete."""
        if self._begun:
            self._exchange.reset()
        else:
            self._exchange.refuse(error)
        return not self._begun


class WholeResponse:
    """Sends one JSON document when the completion has ended."""

    def __init__(self, exchange: HttpExchange, frames: Frames, tokenizer: Tokenizer) -> None:
        self._exchange = exchange
        self._frames = frames
        self._tokenizer = tokenizer
        self._texts: list[str] = []
        self._timing = b""

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """Store the time to the first token."""
        self._timing = _timing(sequence, now_ns)

    def token(self, token: int) -> None:
        """Store one token."""
        self._texts.append(self._tokenizer.text(token))

    def finish(self, sequence: Sequence) -> None:
        """Send the document."""
        self._exchange.respond(OK + JSON_HEADERS + self._timing, self._frames.whole(sequence, "".join(self._texts)))

    def fail(self, error: ProtocolError) -> bool:
        """Send the error."""
        self._exchange.refuse(error)
        return True


def _timing(sequence: Sequence, now_ns: int) -> bytes:
    """The `Server-Timing` line of the time to the first token: the wait for the batch, then prefill."""
    return b"server-timing: queue;dur=%.6f, prefill;dur=%.6f\r\n" % (
        (sequence.admitted_ns - sequence.arrived_ns) / NS_PER_MS,
        (now_ns - sequence.admitted_ns) / NS_PER_MS,
    )
