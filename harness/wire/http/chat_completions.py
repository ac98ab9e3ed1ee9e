"""OpenAI's chat completions, streamed: writes requests, and reads the events of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.clock import NS_PER_MS
from harness.wire.bounded_http import OK
from harness.wire.failure_text import failure_of, short_text
from harness.wire.http.refusal import refusal_of
from harness.wire.language.api_url import api_url
from harness.wire.language.finish_reasons import require_answer
from harness.wire.language.lenient_events import decode_leniently, says_nothing
from harness.wire.language.output_stream import OutputStream, StreamError, refuse_failure
from harness.wire.language.text_codec import TextCodec
from harness.wire.model_metadata import ask
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.text_codec import Message
    from harness.wire.server_url import ServerUrl


_CALL_TEXTS = ("name", "arguments", "input")
MOST_PREFILL_MS = 3.6e6  # an hour; more cannot be true


class ChatCodec(TextCodec):
    """OpenAI's `/chat/completions`."""

    name = "openai"
    path = "/chat/completions"
    adaptable = (*TextCodec.adaptable, "stream_options")

    def new_stream(self) -> ChatStream:
        """The reader of the next response."""
        return ChatStream(allow_empty=self.options.allow_empty, streamed=self.options.stream)

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        return {"messages": messages}

    def _common(self) -> dict[str, object]:
        return super()._common() | {"stream_options": {"include_usage": True} if self.options.stream else None}


class _Delta(msgspec.Struct, gc=False):
    """What a piece adds; servers differ in the fields that they use, and in what they put there."""

    content: Any = None  # text, or a list of parts
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None  # of OpenRouter and MiniMax, where the reasoning may be encrypted
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None
    audio: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None  # in place of `delta`, where a server does not stream
    text: Any = None  # in place of `delta`, in completions
    finish_reason: str | None = None
    error: Any = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: Any = None  # with `cached_tokens`
    prompt_cache_hit_tokens: Any = None  # DeepSeek


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: Any = None  # of llama.cpp, beside the usage: `prompt_ms`
    error: Any = None
    base_resp: Any = None  # of MiniMax, beside the choices


_DECODER = msgspec.json.Decoder(_Chunk)
_NO_CHOICE: list[_Choice] = []
_NO_DELTA = _Delta()


class ChatStream(OutputStream):
    """One response of `/chat/completions` or `/completions`."""

    __slots__ = ()

    def _take(self, event: bytes, now_ns: int) -> None:
        if event[:1] != b"{" and says_nothing(event):
            self._say_done(event)
            return
        try:
            chunk = _DECODER.decode(event)
        except (ValueError, RecursionError):  # of msgspec: no JSON, no UTF-8; nested too deep
            chunk = decode_leniently(_DECODER, event, "chat completion chunk")
        choices = chunk.choices
        if chunk.error or chunk.base_resp or not choices:
            refuse_failure(event, chunk.error)
        if chunk.usage is not None:
            self._count(chunk.usage)
            self._time(chunk.timings)
        for choice in _without_pieces(choices) if self.done else choices or _NO_CHOICE:
            delta = choice.delta
            if delta is not None and type(content := delta.content) is str and content:  # nearly every piece
                self.instants_ns.append(now_ns)
                self._texts.append(content)
                if self.answer_ns < 0:
                    self.answer_ns = now_ns
            else:
                self._choose(choice, now_ns)
            if choice.finish_reason or choice.error:
                self._end_choice(choice)

    def _count(self, usage: _Usage) -> None:
        if usage.prompt_tokens is not None:
            self.prompt_tokens = self._tokens("prompt_tokens", usage.prompt_tokens)
        if usage.completion_tokens is not None:
            self.usage_tokens = self._tokens("completion_tokens", usage.completion_tokens)
        details = usage.prompt_tokens_details
        cached = details.get("cached_tokens") if isinstance(details, dict) else usage.prompt_cache_hit_tokens
        if cached is not None:
            self.cached_tokens = self._tokens("cached_tokens", cached)

    def _time(self, timings: Any) -> None:
        prompt_ms = timings.get("prompt_ms") if isinstance(timings, dict) else None
        if isinstance(prompt_ms, int | float) and prompt_ms is not True and 0 <= prompt_ms <= MOST_PREFILL_MS:
            self.prefill_ns = round(prompt_ms * NS_PER_MS)

    def _choose(self, choice: _Choice, now_ns: int) -> None:
        delta = choice.delta or _NO_DELTA
        if delta.content or choice.text:
            self._add(delta.content or choice.text, now_ns)
        elif delta.reasoning or delta.reasoning_content or delta.reasoning_details:
            self.instants_ns.append(now_ns)
        elif delta.refusal or delta.audio or _calls(delta.tool_calls) or _calls(delta.function_call):
            self._answer(now_ns)
        elif choice.message is not None and not self.instants_ns:
            self._choose(_Choice(delta=choice.message), now_ns)

    def _end_choice(self, choice: _Choice) -> None:
        """Take the finish reason. Raises StreamError where it, or an error beside it, says that the server gave up."""
        if choice.error:
            said = failure_of({"error": choice.error}) or short_text(choice.error)
            raise StreamError(f"the stream says: {said}", refusal_of(choice.error))
        if choice.finish_reason and choice.finish_reason != "null":
            self.finish = require_answer(choice.finish_reason)

    def _add(self, content: Any, now_ns: int) -> None:
        """Take a text, or a list of parts that may be texts or thoughts."""
        if isinstance(content, str):
            self._texts.append(content)
            self._answer(now_ns)
            return
        parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str) and part["text"]]
        if texts:
            self._texts += texts
            self._answer(now_ns)
        elif any(set(part) - {"type", "text"} for part in parts):
            self.instants_ns.append(now_ns)


def _without_pieces(choices: list[_Choice] | None) -> list[_Choice]:
    """What still counts after the response has said that it is over: failures."""
    return [_Choice(finish_reason=each.finish_reason, error=each.error) for each in choices or _NO_CHOICE]


def _calls(calls: Any) -> bool:
    """Whether a piece adds to a tool call: many servers end one with empty arguments. TGI sends no list."""
    if isinstance(calls, list):
        return any(map(_calls, calls))
    called = (calls.get("function") or calls.get("custom") or calls) if isinstance(calls, dict) else None
    return isinstance(called, dict) and any(map(called.get, _CALL_TEXTS))


def _is_spoken(url: ServerUrl, model: str) -> bool:
    del model
    response = ask(api_url(url), "/models")
    document = response.document()
    return response.status == OK and isinstance(document, dict) and "data" in document


OPENAI = WireProtocol(
    name=ChatCodec.name,
    doc="OpenAI's chat completions, streamed",
    transport=Transport.EVENT_STREAM,
    make_text_codec=ChatCodec,
    is_spoken=_is_spoken,
)
