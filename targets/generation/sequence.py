"""A sequence: the tokens of one request, how far they are computed, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.record.rows import ABSENT


@dataclass(slots=True, eq=False)
class Sequence:
    """One request on its way through the model. Instants in nanoseconds, as told by the scheduler's caller.

    `tokens` begins with the prompt; the first `computed` of them have their keys and values in `slot`. `finish` is
    `stop` (the model ended its turn) or `length` once the answer is whole.
    """

    prompt: list[int]
    max_tokens: int
    ignore_end: bool = False  # the token that ends a turn is ruled out
    temperature: float = 0.0  # 0: always the likeliest token
    seed: int = 0  # of the draws where it is not
    tokens: list[int] = field(init=False)
    computed: int = 0
    slot: int = ABSENT
    finish: str = ""
    arrived_ns: int = ABSENT
    admitted_ns: int = ABSENT

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt)

    @property
    def output_count(self) -> int:
        """Tokens answered so far."""
        return len(self.tokens) - len(self.prompt)

    def accept(self, token: int, end: int) -> bool:
        """Take the model's next token; False where it is the one that ends the turn, which is no text."""
        if token == end:
            self.finish = "stop"
            return False
        self.tokens.append(token)
        if self.output_count >= self.max_tokens:
            self.finish = "length"
        return True
