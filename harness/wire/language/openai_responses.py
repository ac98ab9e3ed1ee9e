"""OpenAI's `/responses`: writes requests, and reads the events of a response."""

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


class ResponseCodec(TextCodec):
    """The server keeps no conversation: each request holds all of it."""

    name = "openai-responses"
    path = "/responses"
    length_field = "max_output_tokens"
    adaptable = (*TextCodec.adaptable, "store")

    def new_stream(self) -> ResponseStream:
        """The reader of the next response."""
        return ResponseStream(allow_empty=self.options.allow_empty, streamed=self.options.stream)

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        return {"input": messages}

    def _common(self) -> dict[str, object]:
        return super()._common() | {"store": False}


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Any = None
    output_tokens: Any = None
    input_tokens_details: Any = None


class _Item(msgspec.Struct, gc=False):
    type: str = ""
    content: Any = None
    summary: Any = None


class _Response(msgspec.Struct, gc=False):
    status: str | None = None
    output: list[_Item] | None = None  # of a whole response
    usage: _Usage | None = None
    incomplete_details: Any = None


class _Event(_Response, gc=False):
    type: str = ""
    delta: Any = None
    response: _Response | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Event)
_ENDS = ("response.completed", "response.incomplete")


class ResponseStream(OutputStream):
    """One response of `/responses`."""

    __slots__ = ()

    def _take(self, event: bytes, now_ns: int) -> None:
        if event[:1] != b"{" and says_nothing(event):  # some servers end as chat completions do
            return
        try:
            read = _DECODER.decode(event)
        except (ValueError, RecursionError):
            read = decode_leniently(_DECODER, event, "event of a response")
        if read.type.endswith(".delta") and read.delta:
            self._add(read.type, read.delta, now_ns)
            return
        refuse_failure(event, read.error)
        state = read if read.output is not None else read.response
        if state is None:
            return
        if state.usage is not None:
            self._count(state.usage)
        if read.type in _ENDS or state is read:
            for item in (state.output or ()) if not self.instants_ns else ():  # nothing of it has come as a piece
                self._add_item(item, now_ns)
            self._end_with(state)

    def _add(self, kind: str, delta: Any, now_ns: int) -> None:
        if "reasoning" in kind:
            self.instants_ns.append(now_ns)
            return
        if kind == "response.output_text.delta" and isinstance(delta, str):
            self._texts.append(delta)
        self._answer(now_ns)

    def _add_item(self, item: _Item, now_ns: int) -> None:
        """Take one item of a whole response: a message, a thought, a tool call."""
        parts = item.content if isinstance(item.content, list) else []
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        if item.type == "message":
            self._texts += texts
        if item.type == "reasoning":
            self.instants_ns.append(now_ns)
        elif item.type != "message" or any(texts) or any(map(_refuses, parts)):
            self._answer(now_ns)

    def _end_with(self, state: _Response) -> None:
        details = state.incomplete_details
        reason = details.get("reason") if isinstance(details, dict) else None
        self.finish = require_answer(str(reason or state.status or "completed"))
        self.done = True

    def _count(self, usage: _Usage) -> None:
        if usage.input_tokens is not None:
            self.prompt_tokens = self._tokens("input_tokens", usage.input_tokens)
        if usage.output_tokens is not None:
            self.usage_tokens = self._tokens("output_tokens", usage.output_tokens)
        details = usage.input_tokens_details
        if isinstance(details, dict) and details.get("cached_tokens") is not None:
            self.cached_tokens = self._tokens("cached_tokens", details["cached_tokens"])


def _refuses(part: Any) -> bool:
    return isinstance(part, dict) and bool(part.get("refusal"))


RESPONSES = WireProtocol(
    name=ResponseCodec.name,
    doc="OpenAI's responses",
    transport=Transport.EVENT_STREAM,
    make_text_codec=ResponseCodec,
)
