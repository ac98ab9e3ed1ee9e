"""Compares how users were served: percentiles over all of them hide a starved user and slow connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from harness.judge.stats.distinct_values import is_first, numbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", np.int64, np.float64)
UNEQUAL_MEDIANS = 2.0
UNEQUAL_COUNTS = 3.0
FEWEST_ANSWERS = 20  # of the user who got most; below that everything is chance
FEWEST_FOR_MEDIAN = 5
CHANCE = 1e-4
CROWDS = 2.0  # classes of how many other requests are open, for each doubling
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
    each = _by_user(response_ns, of_user, names.size)
    slow = _slow(each)
    return None if slow is None and not few.any() else _inequality(each, slow, counts, int(np.count_nonzero(few)))


def unequal_connections(
    connection: NDArray[np.int64], sent_ns: NDArray[np.int64], done_ns: NDArray[np.int64]
) -> UserInequality | None:
    """The same of the connections of an open loop, by good responses (n,), where no connection can be starved.

    A connection that is opened in a crowd is used in crowds and slow for that alone, so each response is compared with
    those that had about as many other requests open beside them. The first request of a connection does not count.
    """
    order = np.argsort(sent_ns, kind="stable")
    connection, sent_ns, done_ns = connection[order], sent_ns[order], done_ns[order]
    took_ns = done_ns - sent_ns
    beside = np.arange(sent_ns.size) - np.searchsorted(np.sort(done_ns), sent_ns, "right")
    _, crowd = numbered(np.floor(CROWDS * np.log2(beside + 1.0)).astype(np.int64))
    usual_ns = np.array([np.median(own) for own in _by_user(took_ns, crowd, int(crowd.max(initial=-1)) + 1)])
    later = ~is_first(connection)
    names, of_connection = numbered(connection[later])
    slow = _slow(_by_user((took_ns / np.maximum(usual_ns[crowd], 1.0))[later], of_connection, names.size))
    if slow is None:
        return None
    each = _by_user(took_ns[later], of_connection, names.size)
    return _inequality(each, slow, np.bincount(of_connection), starved=0)


def _by_user(values: NDArray[T], of_user: NDArray[np.int64], users: int) -> list[NDArray[T]]:
    """The values (n,) of each user, by its number."""
    # Numbers of 16 bits are sorted by counting, several times as fast as by comparing.
    order = np.argsort(of_user.astype(np.uint16) if users <= _FEW_USERS else of_user, kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(of_user, minlength=users))[:-1])


def _inequality(
    each: list[NDArray[np.int64]], slow: list[bool] | None, counts: NDArray[np.int64], starved: int
) -> UserInequality:
    """`each`: the response times of the users of whom there are some, `slow`: which of those are slow."""
    values = [
        np.concatenate([own for own, is_slow in zip(each, slow, strict=True) if is_slow is side]) if slow else None
        for side in (True, False)
    ]
    return UserInequality(
        users=counts.size,
        slow=sum(slow or ()),
        slow_median_ns=None if values[0] is None else float(np.median(values[0])),
        other_median_ns=None if values[1] is None else float(np.median(values[1])),
        starved=starved,
        most=int(counts.max()),
        fewest=int(counts.min()),
    )


def _slow(each: list[NDArray[T]]) -> list[bool] | None:
    """Which users are slow; None where their medians are alike or differ by chance."""
    medians = np.array([float(np.median(own)) if own.size else 0.0 for own in each])
    known = np.array([own.size >= FEWEST_FOR_MEDIAN for own in each])
    if known.sum() < 2:
        return None
    fastest, slowest = float(medians[known].min()), float(medians[known].max())
    if slowest <= UNEQUAL_MEDIANS * max(fastest, 1e-3) or _chance(
        [own for own in each if own.size >= FEWEST_FOR_MEDIAN]
    ):
        return None
    return [bool(is_known and median**2 > fastest * slowest) for median, is_known in zip(medians, known, strict=True)]


def _chance(each: list[NDArray[T]]) -> bool:
    from scipy.stats import kruskal

    return float(kruskal(*each).pvalue) >= CHANCE
