"""What a client asks of `/v1/chat/completions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from targets.generation.sequence import Sequence
from targets.generation.text import Message
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from targets.generation.recipe import Shape
    from targets.generation.text import Tokenizer

ROLES = ("system", "developer", "user", "assistant")
MOST_TEMPERATURE = 2.0


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
    ignore_eos: bool = False  # an extension that vLLM, SGLang and llama.cpp know
    # What would change the answer, and is not done here.
    n: int | None = None
    stop: Any = None
    tools: Any = None
    logprobs: bool | None = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A valid request: its sequence, and how its answer is to be written."""

    sequence: Sequence
    stream: bool
    include_usage: bool


def parse_chat(body: bytes, model: str, tokenizer: Tokenizer, shape: Shape, token_limit: int) -> ChatRequest:
    """The request in `body`. Without `max_tokens` an answer may have `token_limit` tokens, as far as there is room.

    Raises ProtocolError: 404 for another model, 400 for what cannot be answered.
    """
    try:
        asked = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(400, f"not a chat completion request: {error}") from error
    _check(asked, model)
    prompt = tokenizer.conversation([Message(message.role, message.text) for message in asked.messages])
    room = shape.context - len(prompt)
    wanted = asked.max_completion_tokens or asked.max_tokens
    most = min(token_limit, room) if wanted is None else wanted
    if most > room or room < 1:
        raise ProtocolError(
            400,
            f"this model's context is {shape.context} tokens; the messages have {len(prompt)} and the answer may have "
            f"{max(most, 1)}: shorten either",
        )
    if most < 1 or most > token_limit:
        raise ProtocolError(400, f"max_tokens must be from 1 to {token_limit}")
    sequence = Sequence(
        prompt, most, ignore_end=asked.ignore_eos, temperature=asked.temperature or 0.0, seed=asked.seed or 0
    )
    usage = asked.stream_options is not None and asked.stream_options.include_usage
    return ChatRequest(sequence, asked.stream, usage)


def _check(asked: _Body, model: str) -> None:
    if asked.model not in ("", model):
        raise ProtocolError(404, f"the model {asked.model!r} does not exist: this server has {model!r}")
    if not asked.messages:
        raise ProtocolError(400, "messages must have at least one")
    unknown = [message.role for message in asked.messages if message.role not in ROLES]
    if unknown:
        raise ProtocolError(400, f"role {unknown[0]!r} is not supported; there are {', '.join(ROLES)}")
    if asked.n not in (None, 1) or asked.stop or asked.tools or asked.logprobs:
        raise ProtocolError(400, "n, stop, tools and logprobs are not supported")
    if asked.temperature is not None and not 0 <= asked.temperature <= MOST_TEMPERATURE:
        raise ProtocolError(400, f"temperature must be from 0 to {MOST_TEMPERATURE:g}")
