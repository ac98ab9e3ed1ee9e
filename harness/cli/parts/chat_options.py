"""The options of conversations, for scenarios that chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.plan.chat_shape import OUTPUT, TURNS, parse_chat

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("turns", "prompt_words", "output_tokens", "lengths", "ignore_eos", "prompts")

CHAT_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--turns", default=None, metavar="LENGTH", help=f"Chat: turns of a conversation.  [default: {TURNS}]"),
    click.option(
        "--prompt-words",
        default=None,
        metavar="LENGTH",
        help="Chat: words of each message: 20, 8-64 or lognormal:20,0.5.  [default: lines as they are]",
    ),
    click.option(
        "--output-tokens", default=None, metavar="LENGTH", help=f"Chat: tokens of each answer.  [default: {OUTPUT}]"
    ),
    click.option(
        "--lengths",
        default=None,
        type=click.Path(),
        help="Chat: CSV whose last two columns are lengths of prompt (words) and answer (tokens), instead of both.",
    ),
    click.option(
        "--ignore-eos/--stop-at-eos",
        default=None,
        help="Chat: ask for every token wanted, or let the model end its turn.  [default: ignore]",
    ),
    click.option("--prompts", default=None, type=click.Path(), help="Chat: text file with a message per line."),
)


def chat_words(given: dict[str, Any]) -> dict[str, str]:
    """What was said of conversations, by option name. Raises UserError where it does not parse."""
    words = {name: value for name in NAMES if (value := given.get(name)) is not None}
    if "ignore_eos" in words:
        words["ignore_eos"] = "on" if words["ignore_eos"] else "off"
    parse_chat(words)
    return {name: str(value) for name, value in words.items()}
