"""How often a costly reading is due."""

from manual_clock import ManualClock

from harness.measure.samplers.cost_bound import CostBound


def test_a_costly_reading_is_made_less_often():
    clock = ManualClock(0)
    bound = CostBound(clock, share=0.01, every_ns=100, cpu_ns=clock.now_ns)
    assert bound.begin()
    clock.advance_ns(5)
    bound.end()  # 5 of 500 are 1 %
    clock.advance_ns(494)
    assert not bound.begin()
    clock.advance_ns(1)
    assert bound.begin()


def test_a_cheap_one_no_oftener_than_asked():
    clock = ManualClock(0)
    bound = CostBound(clock, share=0.5, every_ns=100, cpu_ns=clock.now_ns)
    bound.begin()
    bound.end()
    clock.advance_ns(99)
    assert not bound.begin()
    clock.advance_ns(1)
    assert bound.begin()


def test_one_that_takes_too_long_is_made_once():
    clock = ManualClock(0)
    bound = CostBound(clock, share=0.5, most_ns=10, cpu_ns=clock.now_ns)
    assert bound.begin()
    clock.advance_ns(11)
    bound.end()
    clock.advance_ns(10**12)
    assert not bound.begin()


def test_waiting_for_a_core_costs_nothing():
    clock = ManualClock(0)
    bound = CostBound(clock, share=0.01, every_ns=100, most_ns=5, cpu_ns=lambda: 0)
    bound.begin()
    clock.advance_ns(90)
    bound.end()
    clock.advance_ns(10)
    assert bound.begin()
