"""A trace: a CSV file whose first column holds the instants of requests.

They are seconds, unless the column's heading ends with another unit (`arrival_ms`), or the first of them is so great
that it can only be the milli-, micro- or nanoseconds of the Unix epoch. Dates and times in ISO 8601 are instants too.
In JSON Lines (`.jsonl`, as Mooncake's traces) they are the milliseconds in `timestamp`, or of the Unix epoch.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.text_file import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    import numpy as np
    from numpy.typing import NDArray

BLOCK = 4096
JSON_LINES = ".jsonl"
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # parts of a second
# Seconds of the Unix epoch stay below the first bound until the year 5138, milliseconds below the second, and so on.
_EPOCH = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
EPOCH_S = 1e9  # in the year 2001; no trace begins after as many milliseconds
_UNIT = re.compile(r"(?:^|[\s_(\[])(s|ms|us|ns)[)\]]?$")


def trace_unit(path: Path) -> str:
    """The unit of a trace's instants, a key of UNITS. Raises UserError where the file cannot be read."""
    with _opened(path) as text:
        if path.suffix == JSON_LINES:  # in ms from the trace's beginning, as Mooncake's have them, or of an epoch
            first = next(_json_instants(text, path), ["0"])
            return _unit(first) if float(first[0]) >= EPOCH_S else "ms"
        return _unit([line[0] for line in islice(csv.reader(text), 2) if line])


def replayed(path: Path, speed: float) -> Iterator[NDArray[np.int64]]:
    """The instants in nanoseconds since the first, divided by `speed`, in blocks (n,). Raises UserError."""
    import numpy as np

    start = None
    per_ns = NS_PER_S / UNITS[trace_unit(path)] / speed
    last_ns = 0
    with _opened(path) as text:
        lines = _json_instants(text, path) if path.suffix == JSON_LINES else csv.reader(text)
        while chunk := list(islice(lines, BLOCK)):
            instants = _instants([line[0] for line in chunk if line], path, first=start is None)
            if not instants.size:
                continue
            start = float(instants[0]) if start is None else start
            offsets = np.rint((instants - start) * per_ns).astype(np.int64)
            if offsets[0] < last_ns or (np.diff(offsets) < 0).any():
                raise UserError(f"--trace {path}: its first column goes back in time; sort it")
            last_ns = int(offsets[-1])
            yield offsets


def _json_instants(text: TextIO, path: Path) -> Iterator[list[str]]:
    """The value of `timestamp` in each line, as a column. Raises UserError."""
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                yield [str(float(json.loads(line)["timestamp"]))]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"--trace {path}: line {number} must be an object with a `timestamp`") from error


def _opened(path: Path) -> TextIO:
    try:
        return open_table(path)
    except OSError as error:
        raise UserError(f"--trace {path}: cannot read it ({error.strerror})") from error


def _unit(words: list[str]) -> str:
    """The unit by the first two words of the column, of which the first may be a heading."""
    for word in words:
        try:
            first = _instant(word)
        except ValueError:
            named = _UNIT.search(word.strip().lower())
            if named:
                return named[1]
            continue
        return next((unit for bound, unit in _EPOCH if first >= bound), "s")
    return "s"


def _instants(words: list[str], path: Path, *, first: bool) -> NDArray[np.float64]:
    """The numbers (n,) of a column; a heading in the first line of the file is skipped."""
    import numpy as np

    try:
        if first and words:
            try:
                _instant(words[0])
            except ValueError:
                words = words[1:]
        instants = np.array([_instant(word) for word in words])
    except ValueError as error:
        raise UserError(f"--trace {path}: its first column must be seconds, or dates with times ({error})") from error
    if not np.isfinite(instants).all():
        raise UserError(f"--trace {path}: its first column must be finite")
    return instants


def _instant(word: str) -> float:
    """A number, or a date and time in seconds of the Unix epoch. Raises ValueError."""
    try:
        return float(word)
    except ValueError:
        if not word[:4].isdigit():
            raise
    moment = datetime.fromisoformat(word.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
