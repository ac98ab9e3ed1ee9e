"""Cells as the text of a CSV file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def csv_text(columns: Sequence[str], lines: Iterable[Sequence[str]], *, header: bool = True) -> str:
    """`lines` of cells in the order of `columns`, whose names come first where `header` says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()
