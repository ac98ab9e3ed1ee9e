"""The scheduler on a clock that is turned by hand: who is in which step, and with how many tokens."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from targets.generation.scheduler import BatchLimits, Scheduler
from targets.generation.sequence import Sequence

END, WORD = 2, 9
CONTINUOUS = BatchLimits(max_sequences=2, max_batch_tokens=100, queue_limit=10)
STATIC = replace(CONTINUOUS, continuous=False)


class Machine:
    """A scheduler with a model that always says WORD; a step takes 1 ms."""

    def __init__(self, limits, slots=64):
        self.clock = ManualClock()
        self.scheduler = Scheduler(limits, slots)
        self.first_ns = {}
        self.done_ns = {}

    def offer(self, prompt=3, answer=2):
        sequence = Sequence([WORD] * prompt, answer)
        assert self.scheduler.offer(sequence, self.clock.now_ns())
        return sequence

    def step(self):
        step = self.scheduler.next_step(self.clock.now_ns())
        counts = [(work.sequence, work.count) for work in step]
        self.clock.advance_ns(1_000_000)
        due = self.scheduler.complete(step)
        for sequence in due:
            self.first_ns.setdefault(sequence, self.clock.now_ns())
            sequence.accept(WORD, END)
            if sequence.finish:
                self.done_ns[sequence] = self.clock.now_ns()
        self.scheduler.retire(due)
        return counts

    def run(self):
        for _ in range(10_000):
            if not self.step():
                return
        raise AssertionError("it never ends")


def test_a_prompt_goes_through_whole_and_its_answer_token_by_token():
    machine = Machine(CONTINUOUS)
    sequence = machine.offer(prompt=3, answer=3)
    assert [machine.step() for _ in range(4)] == [[(sequence, 3)], [(sequence, 1)], [(sequence, 1)], []]
    assert (sequence.finish, sequence.output_count) == ("length", 3)


def test_a_sequence_joins_at_a_token_and_takes_the_place_of_one_that_leaves():
    machine = Machine(CONTINUOUS)
    first, second, third = machine.offer(answer=2), machine.offer(answer=4), machine.offer(answer=1)
    assert machine.step() == [(first, 3), (second, 3)]
    assert machine.step() == [(first, 1), (second, 1)]
    assert machine.step() == [(second, 1), (third, 3)]  # single tokens come first
    assert third.slot == 0  # that of the first
    assert machine.step() == [(second, 1)]


def test_static_batches_wait_for_their_last():
    machine = Machine(STATIC)
    first, second, third = machine.offer(answer=1), machine.offer(answer=3), machine.offer(answer=1)
    machine.run()
    assert [machine.first_ns[each] // 1_000_000 for each in (first, second, third)] == [1, 1, 4]


def test_a_long_prompt_is_cut_and_holds_up_no_token_of_others():
    machine = Machine(replace(CONTINUOUS, max_batch_tokens=4))
    short = machine.offer(prompt=1, answer=5)
    machine.step()
    long = machine.offer(prompt=8, answer=1)
    assert machine.step() == [(short, 1), (long, 3)]
    assert machine.step() == [(short, 1), (long, 3)]
    assert machine.step() == [(short, 1), (long, 2)]
    assert long.output_count == 1


def test_without_a_cache_every_step_begins_at_the_first_token():
    machine = Machine(replace(CONTINUOUS, kv_cache=False))
    sequence = machine.offer(prompt=3, answer=3)
    assert [machine.step() for _ in range(3)] == [[(sequence, 3)], [(sequence, 4)], [(sequence, 5)]]


def test_without_a_cache_a_sequence_that_does_not_fit_waits_or_goes_alone():
    machine = Machine(replace(CONTINUOUS, kv_cache=False, max_batch_tokens=4))
    first, second = machine.offer(prompt=3, answer=1), machine.offer(prompt=6, answer=1)
    assert machine.step() == [(first, 3)]
    assert machine.step() == [(second, 6)]


def test_the_queue_is_bounded():
    scheduler = Scheduler(replace(CONTINUOUS, queue_limit=1), 4)
    assert scheduler.offer(Sequence([WORD], 1), 0)
    assert not scheduler.has_room()
    assert not scheduler.offer(Sequence([WORD], 1), 0)
    scheduler.next_step(0)  # it joins the batch
    assert scheduler.has_room()


def test_a_cancelled_sequence_leaves_at_once_from_queue_and_batch():
    machine = Machine(CONTINUOUS)
    first, second, third = machine.offer(answer=9), machine.offer(answer=9), machine.offer(answer=1)
    machine.step()
    machine.scheduler.cancel(first)
    machine.scheduler.cancel(first)  # again changes nothing
    assert machine.step() == [(second, 1), (third, 3)]
    fourth = machine.offer()
    machine.scheduler.cancel(fourth)
    assert not machine.scheduler.waiting


def test_the_end_of_a_turn_is_no_token():
    sequence = Sequence([WORD], 5)
    assert sequence.accept(WORD, END)
    assert not sequence.accept(END, END)
    assert (sequence.finish, sequence.output_count) == ("stop", 1)


limits = st.builds(
    BatchLimits,
    max_sequences=st.integers(1, 5),
    max_batch_tokens=st.integers(1, 20),
    queue_limit=st.just(100),
    continuous=st.booleans(),
    kv_cache=st.booleans(),
)


@given(limits, st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10)), max_size=12))
def test_everyone_is_served_within_the_bounds(given_limits, sizes):
    machine = Machine(given_limits, slots=5)
    sequences = [machine.offer(prompt, answer) for prompt, answer in sizes]
    while counts := machine.step():
        total = sum(count for _, count in counts)
        assert total <= given_limits.max_batch_tokens or (len(counts) == 1 and not given_limits.kv_cache)
        assert len({sequence.slot for sequence, _ in counts}) == len(counts) <= given_limits.max_sequences
        assert [count > 1 for _, count in counts] == sorted(count > 1 for _, count in counts)
    assert all(sequence.finish == "length" for sequence in sequences)
    assert all(sequence.output_count == sequence.max_tokens for sequence in sequences)


@pytest.mark.parametrize(("continuous", "last_ms"), [(True, 11), (False, 41)])
def test_continuous_batching_brings_first_tokens_sooner(continuous, last_ms):
    machine = Machine(BatchLimits(max_sequences=4, max_batch_tokens=100, queue_limit=12, continuous=continuous))
    for number in range(12):
        machine.offer(answer=20 if number % 4 == 0 else 2)
    machine.run()
    # Static: two batches of 20 steps come before the last. Continuous: the long three hold three places, and the short
    # ones follow each other in the fourth, two steps each: the last of five begins its answer in step 11.
    assert max(machine.first_ns.values()) == last_ms * 1_000_000
