"""The accuracy of served predictions under load, against the labels of the payloads."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from harness.judge.metrics import Accuracy
from harness.judge.stats.distinct_values import numbered
from harness.judge.stats.mean_intervals import share_interval
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import RowColumns

_CLASS = 1 << 32  # payloads are numbered within their request class
_CODE = (1 << 31) - 1  # bits of a class's code, so that code and payload fill a positive int64


class Predictions(NamedTuple):
    """The predictions for each payload: payloads (n,) ascending, how many were made (n,), how many were right (n,)."""

    payloads: NDArray[np.int64]
    made: NDArray[np.int64]
    right: NDArray[np.int64]


NO_PREDICTIONS = Predictions(*(np.empty(0, np.int64) for _ in range(3)))


def predictions(due: RowColumns, class_names: Sequence[str] = ()) -> Predictions:
    """Those of all rows that have the payload's label and a predicted class.

    A payload goes by the name of its class: loads of other mixes give the class another number.
    """
    rows = due.where((due["label"] != ABSENT) & (due["predicted"] != ABSENT))
    codes = np.array([crc32(name.encode()) & _CODE for name in class_names or ("",)], np.int64)
    payloads, number = numbered(codes[rows["request_class"]] * _CLASS + rows["payload"])
    right = np.bincount(number[rows["label"] == rows["predicted"]], minlength=payloads.size)
    return Predictions(payloads, np.bincount(number, minlength=payloads.size), right)


class Shares(NamedTuple):
    """The share of right predictions for each payload: payloads (n,) ascending, shares (n,) from 0 to 1."""

    payloads: NDArray[np.int64]
    right: NDArray[np.float64]


def shares(trials: Sequence[Predictions]) -> Shares:
    """The shares over all trials of a point."""
    if not trials:
        return Shares(np.empty(0, np.int64), np.empty(0))
    payloads, number = numbered(np.concatenate([trial.payloads for trial in trials]))
    count, right = (
        np.bincount(number, weights=np.concatenate(parts), minlength=payloads.size)
        for parts in ([trial.made for trial in trials], [trial.right for trial in trials])
    )
    return Shares(payloads, right / count)


def accuracy(trials: Sequence[Predictions]) -> Accuracy | None:
    """The accuracy over all trials, in which each payload counts once however often it was sent; None without any.

    It equals the trainer's held-out accuracy if every held-out item was sent, whatever the payloads' popularity. The
    interval is for as many independent examples as there were payloads: sending one again adds no information.
    """
    found = shares(trials)
    answers = sum(int(trial.made.sum()) for trial in trials)
    return accuracy_of(found.right, answers=answers) if found.right.size else None


def accuracy_of(right: NDArray[np.float64], answers: int) -> Accuracy:
    """The accuracy from the share of right predictions of each payload (n,)."""
    low, high = share_interval(round(right.sum()), right.size)
    return Accuracy(value=float(right.mean()), low=low, high=high, payloads=right.size, answers=answers)


def in_common(points: Sequence[Shares]) -> list[NDArray[np.float64]]:
    """The shares of each point for the payloads that all points were sent, in one order."""
    common = reduce(np.intersect1d, [point.payloads for point in points])
    return [point.right[np.isin(point.payloads, common, assume_unique=True)] for point in points]


def significantly_different(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two accuracies on the same payloads differ by more than chance (McNemar's exact test, 5 %)."""
    from scipy.special import bdtr

    better, worse = int((one > other).sum()), int((one < other).sum())
    return better != worse and 2 * float(bdtr(min(better, worse), better + worse, 0.5)) < 0.05
