"""Writes requests to a language model, and makes the reader of each response."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from harness.wire.codec import HttpCodec, http_post
from harness.wire.language.api_url import api_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.output_stream import OutputStream
    from harness.wire.server_url import ServerUrl

Message = dict[str, Any]  # role, and as content a text or a list of parts
EVENTS, DOCUMENT = "text/event-stream", "application/json"


class TextCodec(HttpCodec):
    """Requests for one model of one server; a subclass for each API says what differs.

    `path` follows the base URL. `length_field` is the usual name of the field for the number of output tokens; empty
    where there is no output to ask for. `adaptable` are the fields of ours that a server may do without.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    length_field: ClassVar[str] = "max_tokens"
    adaptable: ClassVar[tuple[str, ...]] = ("ignore_eos", "min_tokens", "temperature")
    converses: ClassVar[bool] = True  # whether a request may hold the turns before it
    texts_in_request: ClassVar[int] = 1  # where the user gives no number

    def __init__(self, url: ServerUrl, model: str, options: GenerationOptions) -> None:
        self.base = api_url(url)
        self.options = options
        self.ignores_eos = bool(self.length_field) and options.asks_exact_length
        self.choices = _choices(options)  # responses to one request, whose tokens the server counts together
        self._length = options.length_field or self.length_field
        self._rest = options.body({"model": model, **self._common()})
        self._head = self._head_lines(url)

    def encode(self, messages: Sequence[Message], max_tokens: int) -> bytes:
        """The whole HTTP request, head included."""
        body = self._rest | self._content(messages)
        if self._length:
            body[self._length] = max_tokens
            if self.options.min_tokens and "min_tokens" not in self.options.left_out:
                body["min_tokens"] = max_tokens
        return http_post(self.base, self.path, self._head, orjson.dumps(body))

    def message_count(self, texts: int) -> int:
        """The number of messages in a request about so many texts."""
        return texts

    @abstractmethod
    def new_stream(self) -> OutputStream:
        """The reader of the next response."""

    def stream_for(self, messages: Sequence[Message]) -> OutputStream:
        """The reader of the response to a request with these messages."""
        del messages
        return self.new_stream()

    @abstractmethod
    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        """The fields that hold the texts."""

    def _common(self) -> dict[str, object]:
        """The fields that all requests have, besides the model; a value of None is left out."""
        return {"stream": self.options.stream, "temperature": 0, "ignore_eos": self.options.ignore_eos or None}

    def _head_lines(self, url: ServerUrl) -> str:
        """Header lines besides those of every request."""
        del url
        return f"Content-Type: application/json\r\nAccept: {self._accepted}\r\n"

    @property
    def _accepted(self) -> str:
        return EVENTS if self.options.stream else DOCUMENT


def _choices(options: GenerationOptions) -> int:
    wanted = options.extra_body.get("n")
    return wanted if type(wanted) is int and wanted > 0 else 1
