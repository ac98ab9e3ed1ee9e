"""A source of data: labelled items as a user would have them, split into training and held-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items


@dataclass(frozen=True, slots=True)
class Examples:
    """Raw items and their classes (n,) int64: to train on, and held out."""

    train: Items
    train_labels: NDArray[np.int64]
    test: Items
    test_labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One data set.

    Attributes:
        name: of the data set.
        doc: what it is, how much of it, from where; stands in reports.
        classes: names of the classes, in the order of the labels.
        files: the installed files that hold it. Raises UserError that says how to get them where they are missing.
        load: read and split; always the same split. Raises UserError where files are missing or corrupt.
    """

    name: str
    doc: str
    classes: tuple[str, ...]
    files: Callable[[], tuple[Path, ...]]
    load: Callable[[], Examples]
