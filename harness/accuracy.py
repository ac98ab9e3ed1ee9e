"""How often served answers name the right class: the labels of the payloads against what was answered, under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.metrics import Accuracy
from harness.rows import ABSENT
from harness.stats.means import share_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.measured import Columns

_CLASS = 1 << 32  # payloads are numbered within their request class


def guesses(due: Columns) -> NDArray[np.int64]:
    """(n, 2) of every answer whose class was looked at: its payload, and 1 where the class was right."""
    looked_at = (due["label"] != ABSENT) & (due["predicted"] != ABSENT)
    rows = due.where(looked_at)
    return np.stack([rows["request_class"] * _CLASS + rows["payload"], rows["label"] == rows["predicted"]], axis=1)


def accuracy(trials: Sequence[NDArray[np.int64]]) -> Accuracy | None:
    """Over all trials, every payload counted once however often it was asked; None where no class was looked at.

    So it is the trainer's held-out accuracy if every held-out item was asked, whatever the payloads' popularity. The
    interval is for as many independent examples as there were payloads: asking one again tells nothing new.
    """
    every = np.concatenate(trials) if trials else np.zeros((0, 2), np.int64)
    if not len(every):
        return None
    payloads, number = np.unique(every[:, 0], return_inverse=True)
    right = np.bincount(number, weights=every[:, 1]) / np.bincount(number)
    low, high = share_interval(round(right.sum()), payloads.size)
    return Accuracy(value=float(right.mean()), low=low, high=high, payloads=int(payloads.size), answers=len(every))
