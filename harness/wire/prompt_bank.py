"""A prompt bank: opening lines of conversations, with the model's greedy continuations where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.files import replacing
from harness.text_file import decode
from harness.wire.language.prompts.prompt_rows import prompt_rows, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_REMEDY = (
    "give a UTF-8 text file with a prompt per line, or .json, .jsonl or .parquet with `prompt`, `messages` or"
    " ShareGPT's form"
)


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
    images: tuple[tuple[str, ...], ...] = ()  # likewise: URLs of what a prompt shows, most of which hold the image

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
        """Read a bank, a text file with a prompt per line, or a data set of prompts. Raises UserError."""
        try:
            if path.suffix == ".parquet":
                return _checked(_of_rows(table_rows(path), path), path)
            text = decode(path.read_bytes())
            if path.suffix == ".json":
                return _checked(_bank_of(msgspec.json.decode(text), path), path)
            lines = [line for line in map(str.strip, text.split("\n")) if line]  # no other character ends a line
            if path.suffix == ".jsonl":
                return _checked(_of_rows(map(msgspec.json.decode, lines), path), path)
            return _checked(cls(model="", prompts=tuple(lines)), path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}", "prompts") from error
        except (ValueError, msgspec.DecodeError) as error:
            raise UserError(f"{path}: not a readable bank of prompts ({error}); {_REMEDY}", "prompts") from error


def _bank_of(document: Any, path: Path) -> PromptBank:
    """The bank in a JSON document: one of ours, or a list with a prompt in each item."""
    return _of_rows(document, path) if isinstance(document, list) else msgspec.convert(document, PromptBank)


def _of_rows(rows: Iterable[Any], path: Path) -> PromptBank:
    found = prompt_rows(rows, path.parent)
    images = tuple(row.images for row in found) if any(row.images for row in found) else ()
    return PromptBank(model="", prompts=tuple(row.text for row in found), images=images)


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
