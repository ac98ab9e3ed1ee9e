"""Which tokens of which sequences go through the model in the next step. No I/O, no clock, no model.

*Continuous* batching (Orca: Yu et al., OSDI 2022): a sequence joins and leaves at any token. *Static* batching: those
that start together stay together, and nobody joins until the last of them has ended. A step is bounded by a budget
of tokens; a prompt that does not fit is cut in chunks (Sarathi: Agrawal et al. 2023), so that long prompts do not hold
up the tokens of others.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from targets.generation.sequence import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What bounds a step and the queue."""

    max_sequences: int  # in the batch at a time
    max_batch_tokens: int  # in a step, prompts and answers together
    queue_limit: int  # sequences that may wait
    continuous: bool = True
    kv_cache: bool = True  # False: every step computes every sequence from its beginning


@dataclass(frozen=True, slots=True)
class ScheduledTokens:
    """The next `count` tokens of `sequence`, from its first that is not computed."""

    sequence: Sequence
    count: int

    @property
    def completes(self) -> bool:
        """Whether the model then knows all tokens there are, and gives the next one."""
        return self.sequence.computed + self.count == len(self.sequence.tokens)


class Scheduler:
    """First come, first served. `limits` may be changed at any time; who is in the batch stays."""

    def __init__(self, limits: BatchLimits, slots: int) -> None:
        self.limits = limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []  # those that waited longest for a step first
        self._free_slots = list(range(slots))

    def has_room(self) -> bool:
        """Whether one sequence more may wait."""
        return len(self.waiting) < self.limits.queue_limit

    def offer(self, sequence: Sequence, now_ns: int) -> bool:
        """Let `sequence` wait; False where the queue is full."""
        if not self.has_room():
            return False
        sequence.arrived_ns = now_ns
        self.waiting.append(sequence)
        return True

    def cancel(self, sequence: Sequence) -> None:
        """Nobody wants it any more: it leaves now. Nothing where it has left."""
        if sequence in self.running:
            self._leave(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def next_step(self, now_ns: int) -> list[ScheduledTokens]:
        """Who is admitted joins; then what goes through the model. Empty where there is nothing to do.

        Single tokens come first and longer chunks last, as the model wants them.
        """
        self._admit(now_ns)
        left = self.limits.max_batch_tokens
        step: list[ScheduledTokens] = []
        for sequence in self.running:
            if not self.limits.kv_cache:
                sequence.computed = 0
            pending = len(sequence.tokens) - sequence.computed
            # Without a cache there is nothing to keep of a part: all of it, or it waits.
            count = min(pending, left) if self.limits.kv_cache else pending
            if count and (count <= left or not step):
                step.append(ScheduledTokens(sequence, count))
                left -= count
        served = [work.sequence for work in step]
        self.running = [sequence for sequence in self.running if sequence not in served] + served
        return sorted(step, key=lambda work: work.count > 1)

    def complete(self, step: list[ScheduledTokens]) -> list[Sequence]:
        """The step is computed. Returns those who are to get their next token, in the order of the step."""
        due = []
        for work in step:
            if work.completes:
                due.append(work.sequence)
            work.sequence.computed += work.count
        return due

    def retire(self, sequences: list[Sequence]) -> None:
        """Those whose answer is whole leave the batch."""
        for sequence in sequences:
            if sequence.finish and sequence in self.running:
                self._leave(sequence)

    def _admit(self, now_ns: int) -> None:
        if self.running and not self.limits.continuous:
            return
        while self.waiting and self._free_slots and len(self.running) < self.limits.max_sequences:
            sequence = self.waiting.popleft()
            sequence.slot = heapq.heappop(self._free_slots)
            sequence.admitted_ns = now_ns
            self.running.append(sequence)

    def _leave(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        heapq.heappush(self._free_slots, sequence.slot)
