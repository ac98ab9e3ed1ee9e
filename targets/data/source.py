"""A data set: labelled raw items, split into training and held-out items."""

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
    """Raw items and their classes (n,) int64: training items, and held-out (`test`) items."""

    train: Items
    train_labels: NDArray[np.int64]
    test: Items
    test_labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One data set.

    Attributes:
        name: the name of the data set.
        doc: content, size and origin; reports show it.
        classes: the names of the classes, in the order of the labels.
        files: returns the installed files. Raises UserError with the command that installs them where they are missing.
        load: reads and splits the data, always in the same way. Raises UserError where files are missing or corrupt.
    """

    name: str
    doc: str
    classes: tuple[str, ...]
    files: Callable[[], tuple[Path, ...]]
    load: Callable[[], Examples]
