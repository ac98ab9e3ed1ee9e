"""CSV files that grow line by line while a run goes on, and are written whole at its end."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING

from harness.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


def csv_text(columns: Sequence[str], lines: Iterable[Sequence[str]], *, header: bool = True) -> str:
    """`lines` of cells in the order of `columns`, whose names come first where `header` says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()


def append_csv(path: Path, text: Callable[[bool], str], kept: str) -> None:
    """Add `text(header)` to `path`, with a header where the file is empty. Raises RunError where the disk refuses.

    `kept` names what the file can be made from again.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text(file.tell() == 0))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; {kept} are kept: `harness report` makes it") from error
