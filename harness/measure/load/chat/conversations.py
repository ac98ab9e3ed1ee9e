"""Conversations: what users say, turn after turn, over a context that grows. Seeded, and without I/O."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from harness.measure.load.payloads.payload_order import payload_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.plan.chat_shape import ChatShape
    from harness.wire.chat_completions import Message
    from harness.wire.prompt_bank import PromptBank


class Turn(NamedTuple):
    """One request of a conversation."""

    messages: list[Message]
    max_tokens: int
    payload: int  # the number of the bank's line that the conversation began with
    opening: bool  # it is that line, and nothing else


class ConversationSource:
    """Opens conversations, each with a random sequence of its own: a repeat with the same seed says the same.

    Lengths from a trace are taken in the order in which requests are made.
    """

    def __init__(
        self, bank: PromptBank, shape: ChatShape, pairs: list[tuple[int, int]], seed: int, worker: int = 0
    ) -> None:
        self._bank = bank
        self._shape = shape
        self._pairs = pairs
        self._seed = f"{seed}/{worker}"
        self._order = payload_order(len(bank.prompts), seed, worker)
        self._numbers = count()
        self._requests = count()

    def open(self) -> Conversation:
        """A new conversation."""
        rng = Random(f"{self._seed}/{next(self._numbers)}")  # noqa: S311  (what is said is no secret)
        return Conversation(self, self._shape.turns.draw(rng), next(self._order), rng)

    def sizes(self, rng: Random) -> tuple[int | None, int]:
        """How many words the next message has (None: as it is), and how many tokens its answer may have."""
        if self._pairs:
            return self._pairs[next(self._requests) % len(self._pairs)]
        words = self._shape.prompt_words
        return None if words is None else words.draw(rng), self._shape.output_tokens.draw(rng)

    def line(self, number: int) -> str:
        """A line of the bank."""
        return self._bank.prompts[number % len(self._bank.prompts)]


class Conversation:
    """Messages so far, and the turns that are left."""

    def __init__(self, source: ConversationSource, turns: int, payload: int, rng: Random) -> None:
        self._source = source
        self._left = turns
        self._payload = payload
        self._rng = rng
        self._messages: list[Message] = []

    def goes_on(self, answer: str) -> bool:
        """Take the answer to the last turn; whether another turn follows."""
        if self._left:
            self._messages.append({"role": "assistant", "content": answer})
        return self._left > 0

    def next_turn(self) -> Turn:
        """The user's next message, with all that was said before."""
        words, max_tokens = self._source.sizes(self._rng)
        first = not self._messages
        line = self._payload if first else self._rng.randrange(1 << 30)
        text = self._source.line(line) if words is None else " ".join(self._words(line, words))
        self._messages.append({"role": "user", "content": text})
        self._left -= 1
        return Turn(list(self._messages), max_tokens, self._payload, first and words is None)

    def _words(self, line: int, count_wanted: int) -> Iterator[str]:
        """Line after line of the bank, cut at so many words."""
        given = 0
        while given < count_wanted:
            for word in self._source.line(line).split()[: count_wanted - given]:
                given += 1
                yield word
            line += 1
