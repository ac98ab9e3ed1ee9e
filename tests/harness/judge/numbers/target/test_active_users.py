"""Little's law over a window, added up by hand."""

import numpy as np
import pytest

from harness.judge.numbers.target.active_users import active_users

S = 1_000_000_000
NEVER = 10**15


def at_work(rows, think_time_s=0.0):
    due, done = (np.array(column, dtype=np.int64) * S for column in zip(*rows, strict=True))
    return active_users(due, np.minimum(done, NEVER), (0, 10 * S), think_time_s)


def test_a_user_who_always_waits_is_one():
    assert at_work([(-2, 3), (3, 8), (8, 20)]) == pytest.approx(1)


def test_who_hangs_is_still_there():
    assert at_work([(-1, 2), (2, NEVER), (-1, 2), (2, NEVER)]) == pytest.approx(2)


def test_who_came_late_or_left_is_there_for_a_part():
    assert at_work([(5, 12)]) == pytest.approx(0.5)


def test_thinking_counts():
    # Ten answers, after each 0.4 s of thinking; open 6 s in all.
    rows_ns = np.arange(10) * S
    users = active_users(rows_ns, rows_ns + 6 * S // 10, (0, 10 * S), 0.4)
    assert users == pytest.approx(1)
