"""Compares how users were served: percentiles over all of them hide a starved user and slow connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.distinct_values import numbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNEQUAL_MEDIANS = 2.0
UNEQUAL_COUNTS = 3.0
FEWEST_ANSWERS = 20  # of the user who got most; below that everything is chance
FEWEST_FOR_MEDIAN = 5
CHANCE = 1e-4
_FEW_USERS = 1 << 16


@dataclass(frozen=True, slots=True)
class UserInequality:
    """Users who were served worse than the others.

    slow: users whose median is nearer to the slowest's than to the fastest's. starved: users with less than a third of
    the answers of the user who got most. The medians are of the slow ones and of the others, in nanoseconds; None where
    nobody is slow.
    """

    users: int
    slow: int
    slow_median_ns: float | None
    other_median_ns: float | None
    starved: int
    most: int
    fewest: int


def user_inequality(
    user: NDArray[np.int64], response_ns: NDArray[np.int64], users: int | None = None
) -> UserInequality | None:
    """Compares users by their good responses (n,) within the window; None where they were served alike, or too little.

    Unequal is: the slowest user's median is more than twice the fastest's and the difference is no chance (rank test of
    Kruskal and Wallis, p < 1e-4), or one has more than three times the answers of another and chance does not explain
    it (four standard deviations of a Poisson count). `users`: how many there should be; of some there may be no answer.
    """
    names, of_user = numbered(user)
    counts = np.bincount(of_user, minlength=names.size)
    missing = max(0, (users or 0) - names.size)
    counts = np.concatenate((counts, np.zeros(missing, dtype=counts.dtype)))
    if counts.size < 2 or counts.max() < FEWEST_ANSWERS:
        return None
    few = (counts * UNEQUAL_COUNTS < counts.max()) & (counts < counts.mean() - 4 * np.sqrt(counts.mean()))
    # Numbers of 16 bits are sorted by counting, several times as fast as by comparing.
    order = np.argsort(of_user.astype(np.uint16) if names.size <= _FEW_USERS else of_user, kind="stable")
    each = np.split(response_ns[order], np.cumsum(np.bincount(of_user))[:-1])
    slow = _slow(each)
    if not few.any() and slow is None:
        return None
    values = [
        np.concatenate([own for own, is_slow in zip(each, slow, strict=True) if is_slow is side]) if slow else None
        for side in (True, False)
    ]
    return UserInequality(
        users=counts.size,
        slow=sum(slow or ()),
        slow_median_ns=None if values[0] is None else float(np.median(values[0])),
        other_median_ns=None if values[1] is None else float(np.median(values[1])),
        starved=int(np.count_nonzero(few)),
        most=int(counts.max()),
        fewest=int(counts.min()),
    )


def _slow(each: list[NDArray[np.int64]]) -> list[bool] | None:
    """Which users are slow; None where their medians are alike or differ by chance."""
    medians = np.array([float(np.median(own)) for own in each])
    known = np.array([own.size >= FEWEST_FOR_MEDIAN for own in each])
    if known.sum() < 2:
        return None
    fastest, slowest = float(medians[known].min()), float(medians[known].max())
    if slowest <= UNEQUAL_MEDIANS * max(fastest, 1.0) or _chance(
        [own for own in each if own.size >= FEWEST_FOR_MEDIAN]
    ):
        return None
    return [bool(is_known and median**2 > fastest * slowest) for median, is_known in zip(medians, known, strict=True)]


def _chance(each: list[NDArray[np.int64]]) -> bool:
    from scipy.stats import kruskal

    return float(kruskal(*each).pvalue) >= CHANCE
