"""Reads rows of the user's data (`--data`), which fill requests and say what is expected of their responses."""

from __future__ import annotations

import csv
import glob
from pathlib import Path
from typing import Any

import orjson

from harness.errors import UserError
from harness.text_file import decode

Rows = list[dict[str, Any]]


def read_rows(pattern: str) -> Rows:
    """The rows of a `.csv` with names in its first line or of a `.jsonl` of objects; else a row `file` for each file.

    A CSV's column of nothing but numbers is one of numbers. Raises UserError.
    """
    flag = f"--data {pattern}"
    try:
        if pattern.endswith(".csv"):
            rows = _csv_rows(decode(Path(pattern).read_bytes()))
        elif pattern.endswith(".jsonl"):
            rows = _json_rows(decode(Path(pattern).read_bytes()))
        else:
            rows = [{"file": path} for path in sorted(glob.glob(pattern)) if Path(path).is_file()]  # noqa: PTH207
    except OSError as error:
        raise UserError(f"{flag}: cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise UserError(f"{flag}: {error}; give a .csv with names in its first line, or a .jsonl of objects") from error
    if not rows:
        raise UserError(f"{flag}: it holds no row")
    return rows


def _csv_rows(text: str) -> Rows:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    names = reader.fieldnames or ()
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two columns have the name {twice[0]!r}")
    rows: Rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has another number of columns than the first line")
    for name in names:
        numbers = [_number(row[name]) for row in rows]
        if None not in numbers:
            for row, value in zip(rows, numbers, strict=True):
                row[name] = value
    return rows


def _number(text: str) -> float | None:
    """The number that JSON reads in `text`; None where it is none, such as 007."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json_rows(text: str) -> Rows:
    rows: Rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no object")  # noqa: TRY004  (the file is wrong, not a caller)
        rows.append(row)
    return rows
