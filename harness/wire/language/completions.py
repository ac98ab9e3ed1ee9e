"""OpenAI's `/completions`: a text is continued, without roles and without the model's template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.wire.http.chat_completions import ChatCodec
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.text_codec import Message


class CompletionCodec(ChatCodec):
    """The texts of a conversation, line after line, are the prompt. Responses have the form of chat completions."""

    name = "openai-completions"
    path = "/completions"

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        return {"prompt": "\n".join(message["content"] for message in messages)}


COMPLETIONS = WireProtocol(
    name=CompletionCodec.name,
    doc="OpenAI's completions of a text",
    transport=Transport.EVENT_STREAM,
    make_text_codec=CompletionCodec,
)
