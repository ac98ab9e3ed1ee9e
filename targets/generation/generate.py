"""Generation without a server: one sequence, one token after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.generation.language_model import Chunk
from targets.generation.text import Message

if TYPE_CHECKING:
    from targets.generation.language_model import LanguageModel


def continuation(model: LanguageModel, prompt: str, count: int) -> str:
    """The `count` tokens that are likeliest one after the other, as text; the mark that ends a turn is ruled out."""
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
