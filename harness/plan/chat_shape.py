"""The shape of conversations: number of turns, and lengths of prompts and responses."""

from __future__ import annotations

import math
import re
import secrets
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.plan.option_text import parse_seconds
from harness.plan.request_lengths import MOST
from harness.wire.language.generation_options import GenerationOptions, TakenFields
from harness.wire.language.prompts.vocabulary import Vocabulary  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

MS_PER_S = 1e3
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MADE_WORDS = 384  # the few tokens that begin the templates of most models are then less than 1 % of a prompt
MOST_SIGMA = 10.0  # of the logarithm of a length: at 10, two in three lie within a factor of 22 000
_LOGNORMAL = re.compile(r"lognormal:(\d+),(\d+(?:\.\d+)?)")


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """A length, drawn uniformly from `low` to `high`; with `sigma`, lognormal with median `low`, cut at `high`."""

    low: int
    high: int
    sigma: float = 0.0

    def draw(self, rng: Random) -> int:
        """One length, 1 or more."""
        if self.sigma:
            return max(1, min(self.high, round(self.low * math.exp(rng.gauss(0.0, self.sigma)))))
        return rng.randint(self.low, self.high)

    def __str__(self) -> str:
        if self.sigma:
            return f"lognormal:{self.low},{self.sigma:g}"
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"


class ChatShape(GenerationOptions, frozen=True, kw_only=True):
    """The conversations of a load, and what their requests have in common.

    A conversation has `turns` turns, and its context grows with each. A user's message has `prompt_words` words (None:
    a line of the user's prompts, unchanged, or `made_words` words of ours) and its response at most `output_tokens`
    tokens; or both come from the file `lengths`, line after line.
    """

    turns: Length = Length(low=1, high=1)
    prompt_words: Length | None = None
    output_tokens: Length = Length(low=8, high=64)
    prompt_tokens: Length | None = None  # of the whole prompt of a conversation's first turn, and of later messages
    tokenizer: str | None = None  # path of a copy of the model's tokenizer, which then counts in place of the server
    prefix_share: float = 0.0  # of the prompt's tokens: what all prompts begin with
    hang_up: float = 0.0  # share of the responses whose user leaves in the middle of them
    tool_pause_ms: Length | None = None  # between a response and the next turn of its conversation
    counts_tokens: bool = False  # a request class has prompts of so many tokens
    # Of request classes by name, where their requests differ from those of the load.
    taken_by_class: dict[str, TakenFields] = msgspec.field(default_factory=dict)
    vocabulary: Vocabulary | None = None  # words of one token each, which the first requests find
    made_words: int = MADE_WORDS  # of a first message, where the user gives neither prompts nor sizes
    system: bool = False  # the server takes a system message, with which prompts of ours then begin
    salt: str = ""  # another for each trial, so that no prompt that is made has been sent before
    texts: Length | None = None  # of a request for embeddings or a ranking; None: what is usual there
    lengths: str | None = None  # path of a file that harness.plan.request_lengths reads
    lengths_in_tokens: bool = False  # the file says that it counts tokens; otherwise prompts are counted in words
    prompts: str | None = None  # path of a text file with a message per line

    def with_knobs(self, knobs: Mapping[str, object]) -> ChatShape:
        """The same with the values of knobs in place of lengths and shares. Raises UserError where they do not go."""
        values = {
            name: Length(low=value, high=value) if isinstance(value, int) else value for name, value in knobs.items()
        }
        shape = msgspec.structs.replace(self, **values)
        if shape.prefix_share and shape.prompt_tokens is None:
            raise UserError("prefix_share: it is a share of the prompt's tokens; give --prompt-tokens too")
        return shape

    @property
    def makes_prompts(self) -> bool:
        """Whether prompts are ours, of words or of a usual length."""
        return self.prompts is None and self.lengths is None

    @property
    def needs_vocabulary(self) -> bool:
        """Whether lengths of prompts are to be counted in tokens."""
        return self.counts_tokens or self.prompt_tokens is not None or self.prefix_share > 0 or self.lengths_in_tokens


def new_salt() -> str:
    """What makes the prompts of one trial differ from those of all others; recorded with its settings."""
    return secrets.token_hex(4)


def parse_pause(text: str, flag: str) -> Length:
    """`500ms` or `200ms-2s` (uniform), in milliseconds. Raises UserError that names `flag`."""
    low, dash, high = text.strip().partition("-")
    low_s, high_s = parse_seconds(low, flag), parse_seconds(high if dash else low, flag)
    if low_s > high_s:
        raise UserError(f"{flag} {text}: the shorter pause comes first, as in 200ms-2s")
    return Length(low=max(1, round(low_s * MS_PER_S)), high=max(1, round(high_s * MS_PER_S)))


def parse_length(text: str, flag: str) -> Length:
    """`64`, `8-64` (uniform) or `lognormal:64,0.5` (median, sigma). Raises UserError that names `flag`."""
    match = _RANGE.fullmatch(text.strip())
    if match is not None:
        low, high = int(match[1]), int(match[2] or match[1])
        if 1 <= low <= high <= MOST:
            return Length(low=low, high=high)
    match = _LOGNORMAL.fullmatch(text.strip())
    if match is not None and 1 <= int(match[1]) <= MOST and float(match[2]) <= MOST_SIGMA:
        median, sigma = int(match[1]), float(match[2])
        return Length(low=median, high=MOST if sigma else median, sigma=sigma)
    raise UserError(f"{flag} {text}: write for example 64, 8-64 or lognormal:64,0.5 (median, sigma)")
