"""How often served answers name the right class: the labels of the payloads against what was answered, under load."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.judge.metrics import Accuracy
from harness.judge.stats.distinct import numbered
from harness.judge.stats.mean_intervals import share_interval
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import RowColumns

_CLASS = 1 << 32  # payloads are numbered within their request class


def predictions(due: RowColumns) -> NDArray[np.int64]:
    """(n, 2) of every answer whose class was looked at: its payload, and 1 where the class was right."""
    looked_at = (due["label"] != ABSENT) & (due["predicted"] != ABSENT)
    rows = due.where(looked_at)
    return np.stack([rows["request_class"] * _CLASS + rows["payload"], rows["label"] == rows["predicted"]], axis=1)


class Shares(NamedTuple):
    """How often each payload's answers were right: payloads (n,) ascending, shares (n,) within 0..1."""

    payloads: NDArray[np.int64]
    right: NDArray[np.float64]


def shares(trials: Sequence[NDArray[np.int64]]) -> Shares:
    """Over all trials of a point."""
    every = np.concatenate(trials) if trials else np.zeros((0, 2), np.int64)
    payloads, number = numbered(every[:, 0])
    return Shares(payloads, np.bincount(number, weights=every[:, 1]) / np.maximum(np.bincount(number), 1))


def accuracy(trials: Sequence[NDArray[np.int64]]) -> Accuracy | None:
    """Over all trials, every payload counted once however often it was asked; None where no class was looked at.

    So it is the trainer's held-out accuracy if every held-out item was asked, whatever the payloads' popularity. The
    interval is for as many independent examples as there were payloads: asking one again tells nothing new.
    """
    found = shares(trials)
    return accuracy_of(found.right, answers=sum(map(len, trials))) if found.right.size else None


def accuracy_of(right: NDArray[np.float64], answers: int) -> Accuracy:
    """The accuracy of payloads' shares (n,)."""
    low, high = share_interval(round(right.sum()), right.size)
    return Accuracy(value=float(right.mean()), low=low, high=high, payloads=right.size, answers=answers)


def in_common(points: Sequence[Shares]) -> list[NDArray[np.float64]]:
    """The shares of each point on the payloads that all of them were asked, in one order."""
    common = reduce(np.intersect1d, [point.payloads for point in points])
    return [point.right[np.isin(point.payloads, common, assume_unique=True)] for point in points]


def significantly_different(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two accuracies on the same payloads differ by more than chance (McNemar's exact test, 5 %)."""
    from scipy.stats import binomtest

    better, worse = int((one > other).sum()), int((one < other).sum())
    return better != worse and float(binomtest(better, better + worse).pvalue) < 0.05
