"""How many users a closed loop really had: by Little's law, and how many of them waited after refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import RowColumns
    from harness.record.rows import Window

    Column = NDArray[np.int64]

USERS_OF_A_WORKER = 1 << 20  # more than there are: makes a user's number one of its own among several load processes


def active_users(due_ns: Column, done_ns: Column, window_ns: tuple[int, int], think_time_s: float = 0.0) -> float:
    """Users who had a request open or were thinking, on average over the window.

    Each request counts with the part of its time that lies in the window, answered or not, so a target that hangs
    does not make users disappear (the finite form of Little's law: it holds for any window, without a steady state).
    `done_ns` lies past the window for what never ended. After each request that ended in the window, its user thinks.
    """
    start_ns, end_ns = window_ns
    open_ns = np.clip(done_ns, start_ns, end_ns) - np.clip(due_ns, start_ns, end_ns)
    ended = np.count_nonzero((done_ns >= start_ns) & (done_ns < end_ns))
    return (float(open_ns.sum()) / 1e9 + ended * think_time_s) / ((end_ns - start_ns) / 1e9)


def users_backing_off(rows: RowColumns, window: Window) -> float:
    """Users who waited, after a refusal or a failure, before they asked again; on average over the window.

    Each waits from the end of such a request until its next one is due, or the window ends.
    """
    user = rows["worker"] * USERS_OF_A_WORKER + rows["user"]
    order = np.lexsort((rows["due_ns"], user))
    user, ended_ns = user[order], rows["done_ns"][order]
    next_ns = np.append(rows["due_ns"][order][1:], window.end_ns)
    next_ns[np.append(user[1:] != user[:-1], True)] = window.end_ns
    refused = rows.outcome_is(Outcome.ERROR, Outcome.REJECTED)[order] & (ended_ns != ABSENT)
    waited_ns = np.clip(next_ns, window.start_ns, window.end_ns) - np.clip(ended_ns, window.start_ns, window.end_ns)
    return float(waited_ns[refused].clip(0).sum()) / (window.end_ns - window.start_ns)
