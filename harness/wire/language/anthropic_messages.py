"""Anthropic's `/messages`: writes requests, and reads the events of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.wire.language.finish_reasons import require_answer
from harness.wire.language.lenient_events import decode_leniently, says_nothing
from harness.wire.language.output_stream import OutputStream, refuse_failure
from harness.wire.language.text_codec import TextCodec
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.text_codec import Message
    from harness.wire.server_url import ServerUrl

API_VERSION = "2023-06-01"


class MessageCodec(TextCodec):
    """The bearer token is sent as `x-api-key` too, which is where Anthropic looks for it."""

    name = "anthropic"
    path = "/messages"

    def new_stream(self) -> MessageStream:
        """The reader of the next response."""
        return MessageStream(allow_empty=self.options.allow_empty, streamed=self.options.stream)

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        return {"messages": messages}

    def _head_lines(self, url: ServerUrl) -> str:
        key = f"x-api-key: {url.access.token}\r\n" if url.access.token else ""
        return f"{super()._head_lines(url)}anthropic-version: {API_VERSION}\r\n{key}"


class _Part(msgspec.Struct, gc=False):
    """A content block, or what an event adds to one."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    data: str = ""  # of redacted thinking
    stop_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Any = None  # without those that were read from the cache or written to it
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None


class _Message(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: _Part | None = None
    content_block: _Part | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    error: Any = None
    content: list[_Part] | None = None  # of a whole message
    stop_reason: str | None = None


_DECODER = msgspec.json.Decoder(_Event)
_THOUGHTS = ("thinking_delta", "thinking", "redacted_thinking")


class MessageStream(OutputStream):
    """One response of `/messages`."""

    __slots__ = ()

    def _take(self, event: bytes, now_ns: int) -> None:
        if event[:1] != b"{" and says_nothing(event):
            return
        try:
            read = _DECODER.decode(event)
        except (ValueError, RecursionError):
            read = decode_leniently(_DECODER, event, "event of a message")
        if read.delta is None:
            refuse_failure(event, read.error)
        for part in (read.delta, read.content_block, *(read.content or ())):
            if part is not None:
                self._add(part, now_ns)
        for usage in (read.usage, read.message.usage if read.message else None):
            if usage is not None:
                self._count(usage)
        reason = read.stop_reason or (read.delta.stop_reason if read.delta else None)
        if reason:
            self.finish = require_answer(reason)
        self.done = self.done or read.type == "message_stop"

    def _add(self, part: _Part, now_ns: int) -> None:
        if part.text:
            self._texts.append(part.text)
            self._answer(now_ns)
        elif part.type in _THOUGHTS:
            if part.thinking or part.data:
                self.instants_ns.append(now_ns)
        elif part.partial_json or part.type == "tool_use":
            self._answer(now_ns)

    def _count(self, usage: _Usage) -> None:
        if usage.input_tokens is not None:
            parts = (usage.input_tokens, usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0)
            counts = [self._tokens("input_tokens", part) for part in parts]
            if (
                any(counts) or self.prompt_tokens < 0
            ):  # some servers count the prompt at one end, and say 0 at the other
                self.prompt_tokens = sum(counts) if min(counts) >= 0 else -1
            if usage.cache_read_input_tokens is not None:
                self.cached_tokens = counts[1]
        if usage.output_tokens is not None:
            self.usage_tokens = self._tokens("output_tokens", usage.output_tokens)


ANTHROPIC = WireProtocol(
    name=MessageCodec.name,
    doc="Anthropic's messages",
    transport=Transport.EVENT_STREAM,
    make_text_codec=MessageCodec,
)
