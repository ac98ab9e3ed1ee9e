"""Greedy decoding of one sequence without a server, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.generation.language_model import Chunk
from targets.generation.text import Message

if TYPE_CHECKING:
    from targets.generation.language_model import LanguageModel


def continuation(model: LanguageModel, prompt: str, count: int) -> str:
    """Decode `count` tokens greedily, as text. The end-of-turn token is suppressed."""
    tokenizer = model.tokenizer
    tokens = tokenizer.conversation([Message("user", prompt)])
    text, start = "", 0
    for _ in range(count):
        logits = model.logits([Chunk(0, start, tokens[start:])])[0]
        logits[tokenizer.end] = float("-inf")
        start = len(tokens)
        tokens.append(int(logits.argmax()))
        text += tokenizer.text(tokens[-1])
    return text
