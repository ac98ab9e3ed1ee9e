from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from targets.batching.curve import ServiceCurve
from targets.batching.fixed import FixedPolicy
from targets.batching.greedy import GreedyPolicy
from targets.batching.queue import BatchQueue
from targets.batching.slo import SloPolicy

MS = 1_000_000


@dataclass(eq=False)
class Asked:
    rows: int = 1
    arrived_ns: int = -1
    expires_ns: int = -1


def test_greedy_takes_what_is_there_at_once() -> None:
    queue: BatchQueue[Asked] = BatchQueue(GreedyPolicy(), batch_size=4, queue_limit=10)
    first, second = Asked(), Asked()
    assert queue.take(0) is None
    queue.offer(first, 5)
    queue.offer(second, 6)
    assert queue.take(6) == [first, second]
    assert queue.take(6) is None


def test_fixed_waits_for_company_counted_from_the_oldest_row() -> None:
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(batch_wait_ms=2), batch_size=4, queue_limit=10)
    first, second = Asked(), Asked()
    queue.offer(first, 10 * MS)
    queue.offer(second, 11 * MS)
    assert queue.deadline_ns() == 12 * MS
    assert queue.take(12 * MS - 1) is None
    assert queue.take(12 * MS) == [first, second]
    assert queue.deadline_ns() is None


def test_a_full_batch_goes_before_its_wait_is_over() -> None:
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(batch_wait_ms=1000), batch_size=2, queue_limit=10)
    asked = [Asked() for _ in range(3)]
    for item in asked:
        queue.offer(item, 0)
    assert queue.take(0) == asked[:2]
    assert queue.take(0) is None, "the third is alone and may wait"


def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    queue: BatchQueue[Asked] = BatchQueue(GreedyPolicy(), batch_size=4, queue_limit=3)
    pair = Asked(rows=2)
    assert queue.offer(pair, 0)
    assert not queue.offer(Asked(rows=2), 0)
    assert queue.has_room()
    last = Asked()
    assert queue.offer(last, 0)
    assert not queue.has_room()
    assert queue.take(0) == [pair, last]


def test_a_request_of_more_rows_than_may_wait_waits_alone() -> None:
    queue: BatchQueue[Asked] = BatchQueue(GreedyPolicy(), batch_size=4, queue_limit=3)
    large, small = Asked(rows=5), Asked()
    assert queue.offer(large, 0)
    assert not queue.offer(small, 0)
    assert queue.take(0) == [large]
    assert queue.offer(small, 0)
    assert not queue.offer(Asked(rows=5), 0), "it would not be alone"


def test_a_request_of_several_rows_is_not_cut_up() -> None:
    queue: BatchQueue[Asked] = BatchQueue(GreedyPolicy(), batch_size=4, queue_limit=10)
    three, two = Asked(rows=3), Asked(rows=2)
    queue.offer(three, 0)
    queue.offer(two, 0)
    assert queue.take(0) == [three]
    assert queue.take(0) == [two]


def test_a_batch_size_lowered_below_a_waiting_request_lets_it_go_alone() -> None:
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(batch_wait_ms=1000), batch_size=8, queue_limit=10)
    big = Asked(rows=4)
    queue.offer(big, 0)
    queue.batch_size = 2
    assert queue.take(0) == [big]


def test_what_nobody_wants_any_more_leaves_the_queue_before_the_model_sees_it() -> None:
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(batch_wait_ms=10), batch_size=8, queue_limit=4)
    patient, hasty, brief = Asked(), Asked(rows=2), Asked()
    queue.offer(patient, 0)
    queue.offer(hasty, 1 * MS, timeout_ns=3 * MS)
    queue.offer(brief, 2 * MS, timeout_ns=5 * MS)
    assert not queue.has_room()
    assert queue.deadline_ns() == 4 * MS, "whoever waits for the queue is woken by the expiry, before the batch is due"
    assert queue.drop_expired(4 * MS - 1) == []
    assert queue.drop_expired(4 * MS) == [hasty]
    assert queue.rows == 2
    assert queue.deadline_ns() == 7 * MS
    assert queue.take(9 * MS) is None
    assert queue.drop_expired(9 * MS) == [brief]
    assert queue.deadline_ns() == 10 * MS
    assert queue.take(10 * MS) == [patient]


def test_a_deadline_that_was_kept_wakes_nobody_later() -> None:
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(batch_wait_ms=10), batch_size=1, queue_limit=4)
    queue.offer(Asked(), 0, timeout_ns=3 * MS)
    assert queue.take(0)
    queue.batch_size = 8
    queue.offer(Asked(), 0)
    assert queue.deadline_ns() == 10 * MS
    assert queue.drop_expired(9 * MS) == []


STEPS = st.lists(st.tuples(st.integers(0, 3 * MS), st.integers(1, 4)), max_size=60)


@given(
    steps=STEPS,
    batch_size=st.integers(4, 9),
    queue_limit=st.integers(1, 20),
    wait_ms=st.sampled_from([0.0, 0.5, 2.0]),
    busy_ns=st.integers(0, 4 * MS),
)
def test_any_traffic_is_served_in_order_within_the_wait_bound_and_the_limits(
    steps: list[tuple[int, int]], batch_size: int, queue_limit: int, wait_ms: float, busy_ns: int
) -> None:
    """A model that is busy for `busy_ns` after each batch; asked at arrivals and deadlines, as a loop would."""
    clock = ManualClock()
    queue: BatchQueue[Asked] = BatchQueue(FixedPolicy(wait_ms), batch_size, queue_limit)
    wait_ns = round(wait_ms * MS)
    accepted: list[Asked] = []
    served: list[Asked] = []
    free_ns = 0

    def run_until(until_ns: int) -> None:
        nonlocal free_ns
        while (deadline_ns := queue.deadline_ns()) is not None:
            turn_ns = max(deadline_ns, free_ns)
            if turn_ns > until_ns:
                return
            clock.sleep_until_ns(turn_ns)
            batch = queue.take(clock.now_ns())
            assert batch, "at its deadline a batch is there"
            assert sum(item.rows for item in batch) <= batch_size
            assert clock.now_ns() <= max(batch[0].arrived_ns + wait_ns, free_ns), "held beyond its bound"
            served.extend(batch)
            free_ns = clock.now_ns() + busy_ns

    for gap_ns, rows in steps:
        arrival_ns = clock.now_ns() + gap_ns
        run_until(arrival_ns)
        clock.sleep_until_ns(arrival_ns)
        item = Asked(rows)
        waiting = queue.rows
        took = queue.offer(item, arrival_ns)
        assert took == (waiting == 0 or waiting + rows <= queue_limit)
        accepted += [item] if took else []
    run_until(clock.now_ns() + (len(steps) + 1) * (busy_ns + wait_ns))
    assert served == accepted


def test_the_curve_recovers_slope_and_start_up_time() -> None:
    curve = ServiceCurve()
    for rows in (1, 8, 64):
        curve.observe(rows, 300 * rows + 2000)
    assert curve.predict_ns(32) == pytest.approx(300 * 32 + 2000)


def test_the_curve_needs_two_batch_sizes_for_a_slope() -> None:
    curve = ServiceCurve()
    assert curve.predict_ns(5) == 0
    curve.observe(8, 1000)
    curve.observe(8, 3000)
    assert curve.predict_ns(64) == 2000


def test_slo_waits_no_longer_than_one_row_more_could_still_be_answered() -> None:
    policy = SloPolicy(slo_ms=20)  # 18 ms after the guard of a tenth
    for rows in (1, 11):
        policy.observe(rows, rows * MS)
    assert policy.due_ns(oldest_ns=100 * MS, rows=5) == (100 + 18 - 6) * MS
    assert policy.due_ns(oldest_ns=100 * MS, rows=40) == 100 * MS, "too late already: at once"
