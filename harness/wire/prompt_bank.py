"""A prompt bank: opening lines of conversations, with the model's greedy continuations where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.files import replacing
from harness.text_file import decode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_REMEDY = (
    "give a UTF-8 text file with a prompt per line, or .json or .jsonl with `prompt`, `messages` or ShareGPT's form"
)
_TEXTS = ("prompt", "question", "text", "content", "value")  # where a JSON object holds a prompt
_TURNS = ("messages", "conversations", "conversation")  # ... or a list of messages
_USERS = ("user", "human")  # who says the first message


class PromptBank(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts with their greedy continuation (end-of-turn token suppressed), to check responses of any length.

    A correct greedy response to a prompt is the beginning of its continuation. A correct embedding of it points in the
    direction of its vector (any length, of the model's size). Where a prompt is a query of documents that are ranked,
    the scores of those are correct that point in the direction of the expected ones.
    """

    model: str
    prompts: tuple[str, ...]
    expected: tuple[str, ...] = ()  # as many, or none
    vectors: tuple[tuple[float, ...], ...] = ()  # likewise
    documents: tuple[tuple[str, ...], ...] = ()  # likewise: of each query
    scores: tuple[tuple[float, ...], ...] = ()  # likewise: of each document of a query

    @property
    def known(self) -> bool:
        """Whether responses can be compared with something."""
        return bool(self.expected or self.vectors or self.scores)

    def save(self, path: Path) -> None:
        """Write the bank atomically to `path` (`.json`)."""
        with replacing(path) as partial:
            partial.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> PromptBank:
        """Read a bank, a text file with a prompt per line, or JSON (Lines) with prompts. Raises UserError."""
        try:
            text = decode(path.read_bytes())
            if path.suffix == ".json":
                return _checked(_bank_of(msgspec.json.decode(text)), path)
            lines = (line.strip() for line in text.split("\n"))  # no other character ends a line
            prompts: Iterable[str] = (line for line in lines if line)
            if path.suffix == ".jsonl":
                prompts = (_prompt_in(msgspec.json.decode(line)) for line in prompts)
            return _checked(cls(model="", prompts=tuple(prompts)), path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}", "prompts") from error
        except (ValueError, msgspec.DecodeError) as error:
            raise UserError(f"{path}: not a readable bank of prompts ({error}); {_REMEDY}", "prompts") from error


def _bank_of(document: Any) -> PromptBank:
    """The bank in a JSON document: one of ours, or a list with a prompt in each item."""
    if isinstance(document, list):
        return PromptBank(model="", prompts=tuple(map(_prompt_in, document)))
    return msgspec.convert(document, PromptBank)


def _prompt_in(item: Any) -> str:
    """The first message of the user in an item of a data set. Raises ValueError where there is none."""
    if isinstance(item, str) and item.strip():
        return item
    if isinstance(item, dict):
        turns = next((item[name] for name in _TURNS if isinstance(item.get(name), list)), None)
        if turns is not None:
            first = next((turn for turn in turns if (turn.get("role") or turn.get("from")) in _USERS), None)
            return _prompt_in(first)
        return _prompt_in(next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), None))
    raise ValueError(f"no prompt in {msgspec.json.encode(item)[:60].decode(errors='replace')}")


def _checked(bank: PromptBank, path: Path) -> PromptBank:
    lists = {"expected": bank.expected, "vectors": bank.vectors, "documents": bank.documents, "scores": bank.scores}
    if not bank.prompts:
        raise UserError(f"{path}: it holds no prompts; {_REMEDY}", "prompts")
    for name, values in lists.items():
        if len(values) not in {0, len(bank.prompts)}:
            raise UserError(
                f"{path}: {name} has {len(values)} items, and there are {len(bank.prompts)} prompts", "prompts"
            )
    if bank.scores and [len(each) for each in bank.scores] != [len(each) for each in bank.documents]:
        raise UserError(f"{path}: each of the scores stands for one of the documents; give as many of both", "prompts")
    return bank
