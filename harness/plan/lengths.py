"""Lengths of prompts and answers: fixed, drawn from a distribution, or read from a trace."""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

MOST = 1_000_000
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_LOGNORMAL = re.compile(r"lognormal:(\d+),(\d+(?:\.\d+)?)")


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """Uniform from `low` to `high`; with `sigma`, lognormal around the median `low`, cut at `high`."""

    low: int
    high: int
    sigma: float = 0.0

    def draw(self, rng: Random) -> int:
        """One length, 1 or more."""
        if self.sigma:
            return max(1, min(self.high, round(self.low * math.exp(rng.gauss(0.0, self.sigma)))))
        return rng.randint(self.low, self.high)


def parse_length(text: str, flag: str) -> Length:
    """`64`, `8-64` (uniform) or `lognormal:64,0.5` (median, sigma). Raises UserError that names `flag`."""
    match = _RANGE.fullmatch(text.strip())
    if match is not None:
        low, high = int(match[1]), int(match[2] or match[1])
        if 1 <= low <= high <= MOST:
            return Length(low=low, high=high)
    match = _LOGNORMAL.fullmatch(text.strip())
    if match is not None and 1 <= int(match[1]) <= MOST:
        return Length(low=int(match[1]), high=MOST, sigma=float(match[2]))
    raise UserError(f"{flag} {text}: write for example 64, 8-64 or lognormal:64,0.5 (median, sigma)")


def read_lengths(path: Path, flag: str) -> list[tuple[int, int]]:
    """The last two columns of a CSV file: lengths of prompt and answer. A heading is passed over.

    So a trace of instants, prompts and answers serves for `--trace` and for this. Raises UserError.
    """
    try:
        with path.open(newline="") as text:
            lines = [line for line in csv.reader(text) if line]
    except OSError as error:
        raise UserError(f"{flag} {path}: cannot read it ({error.strerror})") from error
    pairs = []
    for number, line in enumerate(lines):
        try:
            prompt, output = (int(float(word)) for word in line[-2:])
        except ValueError:
            if number == 0:
                continue
            raise UserError(f"{flag} {path}: line {number + 1} must end with two numbers: prompt, answer") from None
        if prompt < 1 or output < 1:
            raise UserError(f"{flag} {path}: line {number + 1}: lengths are 1 or more")
        pairs.append((prompt, output))
    if not pairs:
        raise UserError(f"{flag} {path}: it holds no lengths; write a line `prompt,answer` for each request")
    return pairs
