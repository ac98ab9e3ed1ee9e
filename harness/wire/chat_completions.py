"""OpenAI's chat completions, streamed: writes requests, and reads the events of a response."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import msgspec
import orjson

from harness.wire.bounded_http import OK
from harness.wire.codec import HttpCodec, http_post
from harness.wire.model_metadata import ask
from harness.wire.protocol import Transport, WireProtocol
from harness.wire.sse import SseError, SseParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.server_url import ServerUrl

PATH = "/v1/chat/completions"
HEADERS = "Content-Type: application/json\r\nAccept: text/event-stream\r\n"
DONE = b"[DONE]"
ABSENT = -1

Message = dict[str, str]  # role, content


class StreamError(Exception):
    """The response is no chat completion, or an incomplete one."""


class ChatCodec(HttpCodec):
    """Requests for one model of one server."""

    name = "openai"

    def __init__(self, url: ServerUrl, model: str, *, ignore_eos: bool) -> None:
        self._url = url
        self._rest: dict[str, object] = {
            "model": model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
        }
        if ignore_eos:
            self._rest["ignore_eos"] = True

    def encode(self, messages: Sequence[Message], max_tokens: int) -> bytes:
        """The whole HTTP request, head included."""
        body = orjson.dumps({**self._rest, "messages": messages, "max_tokens": max_tokens})
        return http_post(self._url, PATH, HEADERS, body)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = ABSENT
    completion_tokens: int = ABSENT


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: object = None


_DECODER = msgspec.json.Decoder(_Chunk)


class ChatStream:
    """One streamed response, as far as it has arrived.

    `instants_ns` has the arrival time of each piece of text; servers send one per token. `prompt_tokens` and
    `output_tokens` are the server's own count where it gives one; without it the pieces are counted.
    """

    __slots__ = ("_counted", "_sse", "_texts", "done", "finish", "instants_ns", "prompt_tokens")

    def __init__(self) -> None:
        self._sse = SseParser()
        self._texts: list[str] = []
        self._counted = ABSENT
        self.instants_ns = array("q")
        self.prompt_tokens = ABSENT
        self.finish = ""
        self.done = False

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
        """Number of tokens in the response."""
        return self._counted if self._counted != ABSENT else len(self.instants_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read the next bytes of the body, which arrived at `now_ns`. Raises StreamError."""
        try:
            events = self._sse.feed(data)
        except SseError as error:
            raise StreamError(str(error)) from error
        for event in events:
            self._take(event, now_ns)

    def end(self) -> None:
        """Call this when the body has ended. Raises StreamError where the completion has not."""
        if self.done or (self.finish and not self._sse.pending):
            return
        if self.instants_ns:
            raise StreamError("the stream was cut: it ended without [DONE] or a finish reason")
        raise StreamError("the stream ended before its first token")

    def _take(self, event: bytes, now_ns: int) -> None:
        if event == DONE:
            self.done = True
            return
        try:
            chunk = _DECODER.decode(event)
        except msgspec.DecodeError as error:
            raise StreamError("the stream holds an event that is no chat completion chunk") from error
        if chunk.error is not None:
            raise StreamError(f"the stream says: {_message(chunk.error)}")
        if chunk.usage is not None:
            self.prompt_tokens, self._counted = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        for choice in chunk.choices:
            if choice.delta.content:
                self.instants_ns.append(now_ns)
                self._texts.append(choice.delta.content)
            elif choice.delta.reasoning_content:
                self.instants_ns.append(now_ns)
            if choice.finish_reason:
                self.finish = choice.finish_reason


def _message(error: object) -> str:
    message = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(message)[:120].split())


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
