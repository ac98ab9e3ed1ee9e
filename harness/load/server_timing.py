"""The server's own split, read from `Server-Timing` headers in bulk.

Headers of one server differ only in their digits. So each is looked up by its form (every digit replaced by 0),
which tells where the numbers stand; a form is parsed once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.recorder import Rows

COLUMN_OF = {
    b"queue": "queue_ns",
    b"batch": "batch_wait_ns",
    b"preprocess": "preprocess_ns",
    b"compute": "compute_ns",
    b"serialise": "serialise_ns",
}
BATCH_SIZE = "batch_size"
MAX_FORMS = 4096

_FORM = bytes.maketrans(b"123456789", b"000000000")
_ENTRY = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)((?:\s*;\s*[A-Za-z]+\s*=\s*(?:\"[^\"]*\"|[^\",;\s]*))*)\s*(?:,|$)")
_DUR = re.compile(rb";\s*dur\s*=\s*\"?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\"?\s*(?=;|$)")
_ITEMS = re.compile(rb";\s*desc\s*=\s*\"?n=([0-9]+)\"?")

Place = tuple[str, int, int]  # column, and where its number starts and stops


class SplitReader:
    """Turns Server-Timing headers into columns of rows."""

    def __init__(self) -> None:
        self._forms: dict[bytes, tuple[Place, ...]] = {}

    def fill(self, rows: Rows, headers: Iterable[tuple[int, bytes]]) -> None:
        """Write each header (index of its row, value) into `rows`. Unknown names and odd values are left out."""
        found: dict[str, tuple[list[int], list[float]]] = {}
        for index, header in headers:
            for column, start, stop in self._places(header):
                indices, values = found.setdefault(column, ([], []))
                indices.append(index)
                values.append(float(header[start:stop]))
        for column, (indices, values) in found.items():
            scale = 1 if column == BATCH_SIZE else NS_PER_MS
            rows[column][indices] = np.rint(np.minimum(np.array(values), _LIMIT[column]) * scale)

    def _places(self, header: bytes) -> tuple[Place, ...]:
        form = header.translate(_FORM)
        places = self._forms.get(form)
        if places is None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            places = self._forms[form] = find_places(header)
        return places


_LIMIT = dict.fromkeys(COLUMN_OF.values(), 1e12) | {BATCH_SIZE: 2**31 - 1}  # ms, so that ns fit into 63 bits


def find_places(header: bytes) -> tuple[Place, ...]:
    """Where the known numbers of a header stand; the first entry of a name counts."""
    places: dict[str, Place] = {}
    for entry in _ENTRY.finditer(header):
        column = COLUMN_OF.get(entry[1])
        if column is None:
            continue
        duration = _DUR.search(entry[2])
        if duration is not None and column not in places:
            places[column] = (column, entry.start(2) + duration.start(1), entry.start(2) + duration.end(1))
        items = _ITEMS.search(entry[2]) if entry[1] == b"batch" else None
        if items is not None and BATCH_SIZE not in places:
            places[BATCH_SIZE] = (BATCH_SIZE, entry.start(2) + items.start(1), entry.start(2) + items.end(1))
    return tuple(places.values())
