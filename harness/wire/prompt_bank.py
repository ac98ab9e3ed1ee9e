"""A prompt bank: opening lines of conversations, with the model's greedy continuations where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.files import replacing

if TYPE_CHECKING:
    from pathlib import Path


class PromptBank(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts with their greedy continuation (end-of-turn token suppressed), to check responses of any length.

    A correct greedy response to a prompt is the beginning of its continuation.
    """

    model: str
    prompts: tuple[str, ...]
    expected: tuple[str, ...] = ()  # as many, or none

    def save(self, path: Path) -> None:
        """Write the bank atomically to `path` (`.json`)."""
        with replacing(path) as partial:
            partial.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> PromptBank:
        """Read a bank, or a plain text file with a prompt per line. Raises UserError."""
        try:
            content = path.read_bytes()
            if path.suffix != ".json":
                lines = tuple(line.strip() for line in content.decode().splitlines())
                return _checked(cls(model="", prompts=tuple(line for line in lines if line)), path)
            return _checked(msgspec.json.decode(content, type=cls), path)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise UserError(
                f"{path}: not a readable bank of prompts ({error}); give a text file with a prompt per line",
                "prompts",
            ) from error


def _checked(bank: PromptBank, path: Path) -> PromptBank:
    if not bank.prompts or len(bank.expected) not in (0, len(bank.prompts)):
        raise UserError(f"{path}: it holds no prompts; give a text file with a prompt per line", "prompts")
    return bank
