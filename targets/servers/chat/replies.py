"""How an answer reaches its client: token by token, or whole."""

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
    from targets.servers.http.exchange import Exchange
    from targets.servers.protocols.errors import ProtocolError

STREAM_HEADERS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-store\r\n"


class Reply(Protocol):
    """Called in this order: `begin` with the first token, `token` for each, `finish`; or `fail` at any time."""

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """The model has its first token."""

    def token(self, token: int) -> None:
        """One more token."""

    def finish(self, sequence: Sequence) -> None:
        """The answer is whole."""

    def fail(self, error: ProtocolError) -> None:
        """There will be no (more) answer."""


class StreamedReply:
    """Server-sent events. The head goes out with the first token, so that it can say how long that took."""

    def __init__(self, exchange: Exchange, frames: Frames, texts: Several[bytes], *, include_usage: bool) -> None:
        self._exchange = exchange
        self._frames = frames
        self._texts = texts
        self._include_usage = include_usage
        self._head = b""
        self._begun = False

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """Make the head."""
        self._head = OK + STREAM_HEADERS + _timing(sequence, now_ns)

    def token(self, token: int) -> None:
        """Send it."""
        frame = self._frames.token(self._texts[token], first=not self._begun)
        if self._begun:
            self._exchange.write(frame)
        else:
            self._begun = True
            self._exchange.open_stream(self._head, frame)

    def finish(self, sequence: Sequence) -> None:
        """Send how it ended."""
        if not self._begun:
            self._exchange.open_stream(self._head, b"")
        self._exchange.close_stream(self._frames.end(sequence, include_usage=self._include_usage))

    def fail(self, error: ProtocolError) -> None:
        """Say so, or break the stream where it has begun: an end that looks like one would be a lie."""
        if self._begun:
            self._exchange.reset()
        else:
            self._exchange.refuse(error)


class WholeReply:
    """One JSON document, once it is complete."""

    def __init__(self, exchange: Exchange, frames: Frames, tokenizer: Tokenizer) -> None:
        self._exchange = exchange
        self._frames = frames
        self._tokenizer = tokenizer
        self._texts: list[str] = []
        self._timing = b""

    def begin(self, sequence: Sequence, now_ns: int) -> None:
        """Note how long the first token took."""
        self._timing = _timing(sequence, now_ns)

    def token(self, token: int) -> None:
        """Keep it."""
        self._texts.append(self._tokenizer.text(token))

    def finish(self, sequence: Sequence) -> None:
        """Send it all."""
        self._exchange.respond(OK + JSON_HEADERS + self._timing, self._frames.whole(sequence, "".join(self._texts)))

    def fail(self, error: ProtocolError) -> None:
        """Say so."""
        self._exchange.refuse(error)


def _timing(sequence: Sequence, now_ns: int) -> bytes:
    """`Server-Timing` of the time to the first token: waiting for the batch, then the prompt's way through it."""
    return b"server-timing: queue;dur=%.6f, prefill;dur=%.6f\r\n" % (
        (sequence.admitted_ns - sequence.arrived_ns) / NS_PER_MS,
        (now_ns - sequence.admitted_ns) / NS_PER_MS,
    )
