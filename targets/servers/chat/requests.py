"""Decodes requests to `/v1/chat/completions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from targets.generation.sequence import Sequence
from targets.generation.text import Message
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from targets.generation.recipe import DecoderShape
    from targets.generation.text import Tokenizer

ROLES = ("system", "developer", "user", "assistant")
MOST_TEMPERATURE = 2.0
SEEDS = 1 << 64  # NumPy draws from no negative seed, such as the -1 of clients of llama.cpp


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    messages: list[_Message]
    model: str = ""
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    seed: int | None = None
    ignore_eos: bool = False  # an extension of vLLM, SGLang and llama.cpp
    # These would change the completion and are not supported.
    n: int | None = None
    stop: Any = None
    tools: Any = None
    logprobs: bool | None = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A valid request: its sequence, and the form of its response."""

    sequence: Sequence
    stream: bool
    include_usage: bool


def parse_chat(body: bytes, model: str, tokenizer: Tokenizer, shape: DecoderShape, token_limit: int) -> ChatRequest:
    """Decode the request in `body`. The default of `max_tokens` is `token_limit`, or what is left of the context.

    Raises ProtocolError: 404 for another model, 400 for an invalid or unsupported request.
    """
    try:
        request = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(400, f"not a chat completion request: {error}") from error
    _check(request, model)
    prompt = tokenizer.conversation([Message(message.role, message.text) for message in request.messages])
    room = shape.context - len(prompt)
    requested = request.max_completion_tokens or request.max_tokens
    max_tokens = min(token_limit, room) if requested is None else requested
    if max_tokens > room or room < 1:
        raise ProtocolError(
            400,
            f"this model's context is {shape.context} tokens; the messages have {len(prompt)} and the completion may "
            f"have {max(max_tokens, 1)}: shorten either",
        )
    if max_tokens < 1 or max_tokens > token_limit:
        raise ProtocolError(400, f"max_tokens must be from 1 to {token_limit}")
    sequence = Sequence(
        prompt,
        max_tokens,
        ignore_end=request.ignore_eos,
        temperature=request.temperature or 0.0,
        seed=(request.seed or 0) % SEEDS,
    )
    usage = request.stream_options is not None and request.stream_options.include_usage
    return ChatRequest(sequence, request.stream, usage)


def _check(request: _Body, model: str) -> None:
    if request.model not in ("", model):
        raise ProtocolError(404, f"the model {request.model!r} does not exist: this server has {model!r}")
    if not request.messages:
        raise ProtocolError(400, "messages must have at least one message")
    unknown = [message.role for message in request.messages if message.role not in ROLES]
    if unknown:
        raise ProtocolError(400, f"role {unknown[0]!r} is not supported; the roles are {', '.join(ROLES)}")
    if request.n not in (None, 1) or request.stop or request.tools or request.logprobs:
        raise ProtocolError(400, "n, stop, tools and logprobs are not supported")
    if request.temperature is not None and not 0 <= request.temperature <= MOST_TEMPERATURE:
        raise ProtocolError(400, f"temperature must be from 0 to {MOST_TEMPERATURE:g}")
