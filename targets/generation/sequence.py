"""One sequence in generation: its tokens, how many are computed, and when it has finished."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.record.rows import ABSENT


@dataclass(slots=True, eq=False)
class Sequence:
    """One request in generation. Instants are nanoseconds, as passed to the scheduler.

    `tokens` begins with the prompt; the keys and values of the first `computed` tokens are in `slot`. Once the
    completion has ended, `finish` is `stop` (the model ended its turn) or `length`.
    """

    prompt: list[int]
    max_tokens: int
    ignore_end: bool = False  # the end-of-turn token is suppressed
    temperature: float = 0.0  # 0: greedy
    seed: int = 0  # of the draws where the temperature is above 0
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
        """Tokens generated so far."""
        return len(self.tokens) - len(self.prompt)

    def accept(self, token: int, end: int) -> bool:
        """Append the model's next token; False where it is the end-of-turn token, which is not text."""
        if token == end:
            self.finish = "stop"
            return False
        self.tokens.append(token)
        if self.output_count >= self.max_tokens:
            self.finish = "length"
        return True
