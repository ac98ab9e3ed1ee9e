"""OpenAI's chat completions, streamed: writes requests, and reads the events of a response."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from harness.wire.bounded_http import OK
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.codec import HttpCodec, http_post
from harness.wire.failure_text import body_text, failure_of, quoted, short_text
from harness.wire.http.sse import SseError, SseParser
from harness.wire.model_metadata import ask
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.server_url import ServerUrl

PATH = "/v1/chat/completions"
HEADERS = "Content-Type: application/json\r\nAccept: text/event-stream\r\n"
DONE = b"[DONE]"
ABSENT = -1
MAX_TOKENS = 10**9  # of a prompt or a response; more cannot be true
# Finish reasons of a response that the server broke off: vLLM's abort, Azure's content_filter, OpenRouter's error,
# DeepSeek's insufficient_system_resource, Gemini's SAFETY, Anthropic's refusal.
_NO_ANSWER = re.compile(
    "abort|cancel|error|fail|filter|safety|recitation|block|prohibited|spii|refusal|overload|timeout|time_out|"
    "insufficient|malformed",
    re.IGNORECASE,
)

Message = dict[str, str]  # role, content


class StreamError(Exception):
    """The response is no chat completion, an incomplete one, or one that reports a failure."""


class _NoChunkError(StreamError):
    """An event is no chunk; at the end of the body it is a chunk that was cut."""


class ChatCodec(HttpCodec):
    """Requests for one model of one server."""

    name = "openai"

    def __init__(self, url: ServerUrl, model: str, *, ignore_eos: bool, allow_empty: bool = False) -> None:
        self._url = url
        self._allow_empty = allow_empty
        self._rest: dict[str, object] = {
            "model": model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
        }
        self.ignores_eos = ignore_eos
        if ignore_eos:
            self._rest["ignore_eos"] = True

    def encode(self, messages: Sequence[Message], max_tokens: int) -> bytes:
        """The whole HTTP request, head included."""
        body = orjson.dumps({**self._rest, "messages": messages, "max_tokens": max_tokens})
        return http_post(self._url, PATH, HEADERS, body)

    def new_stream(self) -> ChatStream:
        """The stream of the next response."""
        return ChatStream(allow_empty=self._allow_empty)


class _Delta(msgspec.Struct, gc=False):
    """What a piece adds; servers differ in the fields that they use, and in what they put there."""

    content: Any = None  # text, or a list of parts
    reasoning_content: Any = None
    reasoning: Any = None
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


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)
_NO_CHOICE: list[_Choice] = []
_NO_DELTA = _Delta()


class ChatStream:
    """One streamed response, as far as it has arrived.

    A piece is what one event adds to the output: text, reasoning, a tool call, a refusal. `instants_ns` has the arrival
    time of each; many servers send one per token. `answer_ns` is that of the first piece which is no reasoning.
    `prompt_tokens` and `usage_tokens` are the server's own counts, ABSENT where it gives none, or one that cannot be
    true, which `disbelieved` then quotes. `whole` is True once `end` has found nothing wrong.

    allow_empty: a response without a piece is no error.
    """

    __slots__ = (
        *("_allow_empty", "_now_ns", "_sse", "_texts", "answer_ns", "disbelieved", "done", "finish", "instants_ns"),
        *("prompt_tokens", "usage_tokens", "whole"),
    )

    def __init__(self, *, allow_empty: bool = False) -> None:
        self._sse = SseParser(documents=True)
        self._texts: list[str] = []
        self._allow_empty = allow_empty
        self._now_ns = 0
        self.instants_ns = array("q")
        self.answer_ns = ABSENT
        self.prompt_tokens = self.usage_tokens = ABSENT
        self.disbelieved = ""
        self.finish = ""
        self.done = False
        self.whole = False

    @property
    def text(self) -> str:
        """The text of the response, without the model's reasoning."""
        return "".join(self._texts)

    @property
    def first_ns(self) -> int:
        """Arrival time of the first piece; ABSENT while there is none."""
        return self.instants_ns[0] if self.instants_ns else ABSENT

    @property
    def output_tokens(self) -> int:
        """Number of tokens in the response: the server's count, or that of the pieces where it has counted fewer."""
        return max(self.usage_tokens, len(self.instants_ns))

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read the next bytes of the body, which arrived at `now_ns`. Raises StreamError."""
        self._now_ns = now_ns
        try:
            events = self._sse.feed(data)
        except SseError as error:
            raise StreamError(str(error)) from error
        for event in events:
            self._take(event, now_ns)
        if self._sse.failure is not None:
            raise _failed(self._sse.failure)

    def end(self) -> None:
        """Call this when the body has ended. Raises StreamError where the completion has not, or is empty."""
        cut = self._take_rest()
        if not self.done and (cut or not self.finish):
            if self.instants_ns:
                raise StreamError("the stream was cut: it ended without [DONE] or a finish reason")
            raise StreamError("the stream ended before its first token")
        if not self.instants_ns and not self._allow_empty:
            reason = f"finish reason {quoted(self.finish)}" if self.finish else "[DONE]"
            raise StreamError(f"the response is empty: the stream ended with {reason} and without any output")
        self.whole = True

    def _take_rest(self) -> bool:
        """Read what has no line break or no blank line after it. Returns whether it is a part of an event only."""
        cut = False
        for event in self._sse.end():
            try:
                self._take(event, self._now_ns)
            except _NoChunkError:
                cut = True
        if self._sse.failure is not None:
            raise _failed(self._sse.failure)
        return cut

    def _take(self, event: bytes, now_ns: int) -> None:
        if event == DONE:
            self.done = True
            return
        if not event:
            return
        try:
            chunk = _DECODER.decode(event)
        except (ValueError, RecursionError) as error:  # of msgspec: no JSON, no UTF-8; nested too deep
            raise _no_chunk(event) from error
        choices = chunk.choices
        if chunk.error or not choices:
            _refuse_failure(event, chunk.error)
        if chunk.usage is not None:
            self._count(chunk.usage)
        for choice in choices or _NO_CHOICE:
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

    def _tokens(self, name: str, said: Any) -> int:
        """A count from the usage; ABSENT where it can be none, which is noted in `disbelieved`."""
        if type(said) in (int, float) and said == said // 1 and 0 <= said <= MAX_TOKENS:
            return int(said)
        self.disbelieved = f"usage with {name} {quoted(short_text(said))}"
        return ABSENT

    def _choose(self, choice: _Choice, now_ns: int) -> None:
        delta = choice.delta or _NO_DELTA
        if delta.content or choice.text:
            self._add(delta.content or choice.text, now_ns)
        elif delta.reasoning or delta.reasoning_content:
            self.instants_ns.append(now_ns)
        elif delta.tool_calls or delta.refusal or delta.function_call or delta.audio:
            self._answer(now_ns)
        elif choice.message is not None and not self.instants_ns:
            self._choose(_Choice(delta=choice.message), now_ns)

    def _end_choice(self, choice: _Choice) -> None:
        """Take the finish reason. Raises StreamError where it, or an error beside it, says that the server gave up."""
        if choice.error:
            raise StreamError(f"the stream says: {failure_of({'error': choice.error}) or short_text(choice.error)}")
        if choice.finish_reason:
            if _NO_ANSWER.search(choice.finish_reason):
                raise StreamError(f"the response ended with finish reason {quoted(choice.finish_reason)}")
            self.finish = choice.finish_reason

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

    def _answer(self, now_ns: int) -> None:
        self.instants_ns.append(now_ns)
        if self.answer_ns == ABSENT:
            self.answer_ns = now_ns


def _no_chunk(event: bytes) -> StreamError:
    """The error of an event that cannot be decoded as a chunk: it may report a failure in a form of its own."""
    try:
        said = failure_of(parse_json(event))
    except JsonError:
        said = None
    if said is not None:
        return StreamError(f"the stream says: {said}")
    return _NoChunkError(f"the stream holds an event that is no chat completion chunk: {body_text(event)}")


def _refuse_failure(event: bytes, error: object) -> None:
    """Raises StreamError where an event reports a failure. Without choices it may be one, or usage, or nothing."""
    try:
        said = failure_of(parse_json(event)) or (quoted(short_text(error)) if error else None)
    except JsonError as reason:
        raise StreamError(f"the stream holds an event that cannot be read: {reason}") from reason
    if said is not None:
        raise StreamError(f"the stream says: {said}")


def _failed(data: bytes) -> StreamError:
    return StreamError(f"the stream says: {body_text(data) or 'an error, without a word'}")


def _is_spoken(url: ServerUrl, model: str) -> bool:
    del model
    response = ask(url, "/v1/models")
    document = response.document()
    return response.status == OK and isinstance(document, dict) and "data" in document


OPENAI = WireProtocol(
    name=ChatCodec.name,
    doc="OpenAI's chat completions, streamed",
    transport=Transport.EVENT_STREAM,
    is_spoken=_is_spoken,
)
