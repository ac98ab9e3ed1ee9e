"""The recipes of the language models, by name. Importing this imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderShape:
    """A decoder of `layers` blocks: `heads` query heads that share one key and one value head.

    One shared head keeps the cache small (multi-query attention: Shazeer 2019). Positions are encoded by a penalty that
    grows with distance (ALiBi: Press et al. 2022), which also holds for contexts longer than those of training.
    """

    vocabulary: int = 1024
    width: int = 128
    layers: int = 3
    heads: int = 4
    context: int = 512  # tokens of prompt and completion together

    @property
    def head_width(self) -> int:
        """The width of one head."""
        return self.width // self.heads

    @property
    def slopes(self) -> tuple[float, ...]:
        """The penalty of each head per token of distance: a half, a quarter, an eighth, ..."""
        return tuple(2.0 ** -(head + 1) for head in range(self.heads))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRecipe:
    """One language model and its training."""

    name: str
    doc: str
    shape: DecoderShape
    epochs: int
    batch_size: int
    window: int  # tokens per training example
    learning_rate: float
    seed: int = 7
    prompts: int = 200  # opening lines in the bank, each with the greedy continuation of the model
    continuation: int = 96  # tokens of the continuation


CHAT_GPT = ChatRecipe(
    name="chat-gpt",
    doc="three blocks of width 128 on the English dialogues of chatterbot-corpus (0.65 M parameters)",
    shape=DecoderShape(),
    epochs=12,
    batch_size=16,
    window=64,
    learning_rate=2e-3,
)
RECIPES: dict[str, ChatRecipe] = {CHAT_GPT.name: CHAT_GPT}
