"""Reads the server's own durations from `Server-Timing` headers, many at a time.

The headers of one server differ only in their digits. Each is looked up by its form (every digit replaced by 0), which
determines where the numbers are; a form is parsed once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.clock import NS_PER_MS
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from harness.record.recorder import Rows

COLUMN_OF = {
    b"queue": "queue_ns",
    b"queued-at": "queued_at_ns",
    b"batch": "batch_wait_ns",
    b"preprocess": "preprocess_ns",
    b"compute": "compute_ns",
    b"serialise": "serialise_ns",
    b"clean": "clean_ns",
    b"transform": "transform_ns",
    b"normalise": "normalise_ns",
    b"augment": "augment_ns",
}
BATCH_SIZE = "batch_size"
TIMING_COLUMNS = (*COLUMN_OF.values(), BATCH_SIZE)
MAX_FORMS = 4096
MAX_DIGITS = 15  # of a number; float64 holds as many exactly

_FORM = bytes.maketrans(b"123456789", b"000000000")
_ENTRY = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)((?:\s*;\s*[A-Za-z]+\s*=\s*(?:\"[^\"]*\"|[^\",;\s]*))*)\s*(?:,|$)")
_DUR = re.compile(rb";\s*dur\s*=\s*\"?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\"?\s*(?=;|$)")
_ITEMS = re.compile(rb";\s*desc\s*=\s*\"?n=([0-9]+)\"?")


class NumberPlace(NamedTuple):
    """Where a number is in headers of one form, and the weight of each of its characters (0 for a decimal point)."""

    column: str
    start: int
    stop: int
    weights: NDArray[np.float64]  # (stop - start,)
    points: float  # sum of the weights times the code of the character 0


class ServerTimingReader:
    """Fills columns of rows from Server-Timing headers."""

    def __init__(self) -> None:
        self._forms: dict[bytes, tuple[NumberPlace, ...]] = {}

    def fill(self, rows: Rows, headers: Iterable[tuple[int, bytes]]) -> dict[str, int]:
        """Write each header (index of its row, value) into `rows`. Unknown names and malformed values are skipped.

        Returns how often a column got no number because the server's was too large for it.
        """
        impossible: dict[str, int] = {}
        alike: dict[bytes, tuple[list[int], list[bytes]]] = {}
        for index, header in headers:
            form = header.translate(_FORM)
            group = alike.get(form)
            if group is None:
                group = alike[form] = ([], [])
            group[0].append(index)
            group[1].append(header)
        for form, (indices, group_headers) in alike.items():
            characters = np.frombuffer(b"".join(group_headers), np.uint8).reshape(len(indices), len(form))
            for place in self._places(form):
                numbers = characters[:, place.start : place.stop].astype(np.float64) @ place.weights - place.points
                limit = np.iinfo(rows[place.column].dtype).max // 2
                possible = numbers < limit
                rows[place.column][indices] = np.rint(np.where(possible, numbers, ABSENT))
                if not possible.all():
                    impossible[place.column] = impossible.get(place.column, 0) + int((~possible).sum())
        return impossible

    def _places(self, form: bytes) -> tuple[NumberPlace, ...]:
        places = self._forms.get(form)
        if places is None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            places = self._forms[form] = find_places(form)
        return places


def find_places(form: bytes) -> tuple[NumberPlace, ...]:
    """The places of the known numbers in a form; of several entries with one name the first counts."""
    places: dict[str, NumberPlace] = {}
    for entry in _ENTRY.finditer(form):
        column = COLUMN_OF.get(entry[1])
        if column is None:
            continue
        duration = _DUR.search(entry[2])
        if duration is not None and column not in places:
            places[column] = _place(column, form, entry.start(2) + duration.start(1), entry.start(2) + duration.end(1))
        items = _ITEMS.search(entry[2]) if entry[1] == b"batch" else None
        if items is not None and BATCH_SIZE not in places:
            places[BATCH_SIZE] = _place(
                BATCH_SIZE, form, entry.start(2) + items.start(1), entry.start(2) + items.end(1)
            )
    return tuple(place for place in places.values() if place.stop - place.start <= MAX_DIGITS)


def _place(column: str, form: bytes, start: int, stop: int) -> NumberPlace:
    """The place of a duration in milliseconds, which becomes nanoseconds, or of a batch size."""
    text = form[start:stop]
    whole, _, fraction = text.partition(b".")
    unit = 1 if column == BATCH_SIZE else NS_PER_MS
    digits = [unit * 10.0**power for power in range(len(whole) - 1, -len(fraction) - 1, -1)]
    weights = np.array(digits)
    if b"." in text:
        weights = np.insert(weights, len(whole), 0.0)
    return NumberPlace(column, start, stop, weights, float(weights.sum() * ord("0")))
