"""Reads the lengths of requests from a file: prompt and response of each, as a trace of a server has them.

CSV: the columns are found by their heading (Azure's ContextTokens and GeneratedTokens, BurstGPT's Request tokens and
Response tokens, ...); without such a heading the last two columns are taken. JSON Lines: Mooncake's `input_length`,
`output_length` and `hash_ids`, of which each stands for a block of tokens that prompts with the same id have in common.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.errors import UserError
from harness.text_file import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

MOST = 1_000_000
BLOCK_TOKENS = 512  # of one of Mooncake's ids
_PROMPT = ("contexttokens", "request tokens", "input_length", "input_tokens", "prompt_tokens", "num_prefill_tokens")
_OUTPUT = ("generatedtokens", "response tokens", "output_length", "output_tokens", "num_decode_tokens")


class RequestLengths(NamedTuple):
    """The lengths of one request; `blocks` are the ids of what its prompt consists of, where that is known."""

    prompt: int
    output: int
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True)
class TraceLengths:
    """The lines of a file, read one by one, so that a long one needs no more memory than a short one.

    flag: what the user gave it with. first, step: every `step`-th request from number `first` on.
    """

    path: Path
    flag: str
    first: int = 0
    step: int = 1

    @property
    def in_tokens(self) -> bool:
        """Whether prompts are counted in tokens, and not in words. Raises UserError."""
        return self._read().in_tokens

    @property
    def has_blocks(self) -> bool:
        """Whether the first request says which blocks its prompt consists of. Raises UserError."""
        return bool(next(self._read().requests).blocks)

    def check(self) -> int:
        """The number of requests. Raises UserError for a file that has none, and for the first line that is none."""
        return sum(1 for _ in self._read().requests)

    def endless(self) -> Iterator[RequestLengths]:
        """The requests from `first` on, and again from the beginning of the file. Raises UserError."""
        return islice(chain.from_iterable(self._read().requests for _ in repeat(None)), self.first, None, self.step)

    def _read(self) -> _Content:
        where = f"{self.flag} {self.path}"
        try:
            text = open_table(self.path)
            content = _of_json(text, where) if self.path.suffix == ".jsonl" else _of_table(text, where)
        except OSError as error:
            raise UserError(f"{where}: cannot read it ({error.strerror})") from error
        requests = _closing(text, content.requests)
        first = next(requests, None)
        if first is None:
            raise UserError(f"{where}: it holds no lengths; write a line `prompt,response` for each request")
        return _Content(chain([first], requests), content.in_tokens)


def _closing(text: TextIO, requests: Iterator[RequestLengths]) -> Iterator[RequestLengths]:
    with text:
        yield from requests


class _Content(NamedTuple):
    requests: Iterator[RequestLengths]
    in_tokens: bool


def _of_json(text: TextIO, where: str) -> _Content:
    return _Content(_documents(text, where), in_tokens=True)


def _documents(text: TextIO, where: str) -> Iterator[RequestLengths]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            document: Any = msgspec.json.decode(line)
            named = {str(name).lower(): value for name, value in document.items()}
            values = (next(named[name] for name in names if name in named) for names in (_PROMPT, _OUTPUT))
            prompt, output = map(_whole, values)
            blocks = tuple(map(int, named.get("hash_ids") or ()))
            found = _checked(prompt, output, f"{where}: line {number}", blocks)
        except (msgspec.DecodeError, AttributeError, StopIteration, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{where}: line {number} must be an object with input_length and output_length") from error
        yield found


def _of_table(text: TextIO, where: str) -> _Content:
    lines = (line for line in csv.reader(text) if line)
    first = next(lines, None)
    if first is None:
        return _Content(iter(()), in_tokens=False)
    heading = [word.strip().lower() for word in first]
    columns = [next((heading.index(name) for name in names if name in heading), None) for names in (_PROMPT, _OUTPUT)]
    named = None not in columns
    at = (columns[0] or 0, columns[1] or 0) if named else (-2, -1)
    is_heading = named or not _is_lengths(first)
    rows = _rows(lines if is_heading else chain([first], lines), at, where, 2 if is_heading else 1)
    return _Content(rows, named)


def _rows(lines: Iterator[list[str]], at: tuple[int, int], where: str, first: int) -> Iterator[RequestLengths]:
    for number, line in enumerate(lines, first):
        try:
            prompt, output = (_whole(line[place]) for place in at)
        except (ValueError, IndexError):
            raise UserError(f"{where}: line {number} must end with two whole numbers: prompt, response") from None
        yield _checked(prompt, output, f"{where}: line {number}")


def _checked(prompt: int, output: int, where: str, blocks: tuple[int, ...] = ()) -> RequestLengths:
    if not (1 <= prompt <= MOST and 1 <= output <= MOST):
        raise UserError(f"{where}: lengths are from 1 to {MOST:,}")
    return RequestLengths(prompt, output, blocks)


def _is_lengths(line: list[str]) -> bool:
    try:
        return [_whole(word) for word in line[-2:]] != [] and len(line) > 1
    except ValueError:
        return False


def _whole(given: str | float) -> int:
    """A whole number, also one such as `10.0`. Raises ValueError."""
    number = float(given)
    if not number.is_integer():  # nor is an infinite number or NaN
        raise ValueError(given)
    return int(number)
