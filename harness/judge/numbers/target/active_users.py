"""How many users a closed loop really had, by Little's law with the time of unanswered requests counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.int64]


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
