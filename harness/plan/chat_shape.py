"""What conversations are like: how many turns, how long, as a user asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.plan.lengths import Length, parse_length

if TYPE_CHECKING:
    from collections.abc import Mapping

TURNS, OUTPUT = "1-3", "8-64"


class ChatShape(msgspec.Struct, frozen=True, kw_only=True):
    """The conversations of a load.

    `turns` per conversation, whose context grows with each. `prompt_words` of each user's message (None: the lines
    of the bank as they are) and `output_tokens` of each answer; or both from the file `lengths`, line after line.
    `ignore_eos` asks the server to go on to the last token asked for, so that lengths are those that were drawn.
    """

    turns: Length = Length(low=1, high=3)
    prompt_words: Length | None = None
    output_tokens: Length = Length(low=8, high=64)
    lengths: Path | None = None
    ignore_eos: bool = True


def parse_chat(words: Mapping[str, str | None]) -> ChatShape:
    """`words` by option name: turns, prompt_words, output_tokens, lengths, ignore_eos. Raises UserError."""
    prompt, lengths = words.get("prompt_words"), words.get("lengths")
    return ChatShape(
        turns=parse_length(words.get("turns") or TURNS, "--turns"),
        prompt_words=parse_length(prompt, "--prompt-words") if prompt else None,
        output_tokens=parse_length(words.get("output_tokens") or OUTPUT, "--output-tokens"),
        lengths=Path(lengths) if lengths else None,
        ignore_eos=(words.get("ignore_eos") or "on") == "on",
    )
