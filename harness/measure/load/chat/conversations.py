"""Makes conversations: the messages of a user, turn after turn, over a context that grows. Seeded, without I/O."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.measure.load.payloads.payload_sets import payload_order
from harness.plan.chat_shape import Length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.plan.chat_shape import ChatShape
    from harness.wire.language.text_codec import Message
    from harness.wire.prompt_bank import PromptBank


class Turn(NamedTuple):
    """One request of a conversation."""

    messages: list[Message]
    max_tokens: int
    payload: int  # the number of the prompt that the conversation began with
    opening: bool  # it holds that prompt and nothing else


class ConversationSource:
    """Opens conversations, each with its own random sequence: the same seed gives the same messages.

    Lengths from a trace are used in the order of the requests.
    """

    def __init__(
        self, bank: PromptBank, shape: ChatShape, pairs: list[tuple[int, int]], seed: int, worker: int = 0
    ) -> None:
        self._bank = bank
        self._shape = shape
        self._pairs = pairs
        self._seed = f"{seed}/{worker}"
        self._message_count: Callable[[Random], int] = lambda _rng: 1
        self._order = payload_order(len(bank.prompts), seed, worker)
        self._numbers = count()
        self._requests = count()

    def open(self) -> Conversation:
        """A new conversation."""
        rng = Random(f"{self._seed}/{next(self._numbers)}")  # noqa: S311  (prompts are no secret)
        return Conversation(self, self._shape.turns.draw(rng), next(self._order), rng)

    def sizes(self, rng: Random) -> tuple[int | None, int]:
        """The words of the next message (None: a prompt as it is), and the tokens that its response may have."""
        if self._pairs:
            return self._pairs[next(self._requests) % len(self._pairs)]
        words = self._shape.prompt_words
        return None if words is None else words.draw(rng), self._shape.output_tokens.draw(rng)

    def send_texts(self, count: Callable[[Random], int]) -> None:
        """Let each request hold `count(rng)` texts of a user, and none of the turns before it."""
        self._message_count = count
        self._shape = msgspec.structs.replace(self._shape, turns=Length(low=1, high=1))

    def message_count(self, rng: Random) -> int:
        """How many messages a user sends in one turn."""
        return self._message_count(rng)

    def line(self, number: int) -> str:
        """A prompt of the bank."""
        return self._bank.prompts[number % len(self._bank.prompts)]


class Conversation:
    """The messages so far, and the number of turns that are left."""

    def __init__(self, source: ConversationSource, turns: int, payload: int, rng: Random) -> None:
        self._source = source
        self._left = turns
        self._payload = payload
        self._rng = rng
        self._messages: list[Message] = []

    def goes_on(self, response: str) -> bool:
        """Append the response to the last turn. Returns whether another turn follows."""
        if self._left:
            self._messages.append({"role": "assistant", "content": response})
        return self._left > 0

    def next_turn(self) -> Turn:
        """The user's next message, after all messages before it."""
        first = not self._messages
        words, max_tokens = self._source.sizes(self._rng)
        for number in range(self._source.message_count(self._rng)):
            line = self._payload if first and not number else self._rng.randrange(1 << 30)
            text = self._source.line(line) if words is None else " ".join(self._words(line, words))
            self._messages.append({"role": "user", "content": text})
        self._left -= 1
        return Turn(list(self._messages), max_tokens, self._payload, first and words is None)

    def _words(self, line: int, count_wanted: int) -> Iterator[str]:
        """`count_wanted` words, from one prompt after the other."""
        given = 0
        while given < count_wanted:
            for word in self._source.line(line).split()[: count_wanted - given]:
                given += 1
                yield word
            line += 1
