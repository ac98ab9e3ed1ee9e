import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from harness.measure.samplers.ticks import Tick, Timer


def test_deadlines_are_absolute_and_the_first_is_now():
    clock = ManualClock(1000)
    timer = Timer(clock, 100)
    dues = []
    for tick in itertools.islice(timer, 4):
        dues.append(tick.due_ns)
        clock.advance_ns(30)  # the work of a tick delays no later one
    assert dues == [1000, 1100, 1200, 1300]


def test_a_tick_after_its_deadline_says_how_late_it_is():
    clock = ManualClock(0)
    timer = Timer(clock, 100)
    assert next(timer) == Tick(0, 0, 0)
    clock.advance_ns(140)
    assert next(timer) == Tick(100, 40, 0)
    assert next(timer) == Tick(200, 0, 0)


def test_deadlines_that_passed_are_skipped_and_counted():
    clock = ManualClock(0)
    timer = Timer(clock, 100)
    next(timer)
    clock.advance_ns(350)
    assert next(timer) == Tick(300, 50, 2)
    assert next(timer) == Tick(400, 0, 0)


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Timer(ManualClock(), 0)


@given(st.lists(st.integers(0, 1000), max_size=50), st.integers(1, 200))
def test_every_deadline_is_either_served_or_counted_as_skipped(delays, interval_ns):
    clock = ManualClock(7)
    timer = Timer(clock, interval_ns)
    accounted = 0
    for delay in delays:
        tick = next(timer)
        accounted += tick.skipped
        assert tick.due_ns == 7 + accounted * interval_ns
        assert 0 <= tick.late_ns < interval_ns
        accounted += 1
        clock.advance_ns(delay)
