"""Chooses the tokens and sequences of the next model step. No I/O, no clock, no model.

*Continuous* batching (Orca: Yu et al., OSDI 2022): a sequence joins and leaves the batch at any token. *Static*
batching: no sequence joins until all sequences of the batch have ended. A step has a token budget. A prompt that
exceeds it is cut into chunks (Sarathi: Agrawal et al. 2023), so that long prompts do not delay the tokens of others.
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
    """The limits of a step, of the batch and of the queue."""

    max_sequences: int  # in the batch at a time
    max_batch_tokens: int  # in a step, prompt and output tokens together
    queue_limit: int  # sequences that may wait
    continuous: bool = True
    kv_cache: bool = True  # False: every step recomputes every sequence from its first token


@dataclass(frozen=True, slots=True)
class ScheduledTokens:
    """The next `count` tokens of `sequence`, starting at the first one that is not computed."""

    sequence: Sequence
    count: int

    @property
    def completes(self) -> bool:
        """Whether all tokens of the sequence are computed after the step, so that the model yields the next one."""
        return self.sequence.computed + self.count == len(self.sequence.tokens)


class Scheduler:
    """A FIFO scheduler. Changing `limits` does not evict sequences that are already in the batch."""

    def __init__(self, limits: BatchLimits, slots: int) -> None:
        self.limits = limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []  # the one that waited longest for a step first
        self._free_slots = list(range(slots))

    def has_room(self) -> bool:
        """Whether the queue can take one more sequence."""
        return len(self.waiting) < self.limits.queue_limit

    def offer(self, sequence: Sequence, now_ns: int) -> bool:
        """Append `sequence` to the queue; False where the queue is full."""
        if not self.has_room():
            return False
        sequence.arrived_ns = now_ns
        self.waiting.append(sequence)
        return True

    def cancel(self, sequence: Sequence) -> None:
        """Remove `sequence` from the batch or the queue. Does nothing where it has left already."""
        if sequence in self.running:
            self._leave(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def next_step(self, now_ns: int) -> list[ScheduledTokens]:
        """Admit waiting sequences, then choose the tokens of the next step; empty where there is nothing to do.

        Single tokens come first and longer chunks last, as the model requires.
        """
        self._admit(now_ns)
        left = self.limits.max_batch_tokens
        step: list[ScheduledTokens] = []
        for sequence in self.running:
            if not self.limits.kv_cache:
                sequence.computed = 0
            pending = len(sequence.tokens) - sequence.computed
            # Without a cache a part cannot be kept: the whole sequence is computed, or it waits.
            count = min(pending, left) if self.limits.kv_cache else pending
            if count and (count <= left or not step):
                step.append(ScheduledTokens(sequence, count))
                left -= count
        served = [work.sequence for work in step]
        self.running = [sequence for sequence in self.running if sequence not in served] + served
        return sorted(step, key=lambda work: work.count > 1)

    def complete(self, step: list[ScheduledTokens]) -> list[Sequence]:
        """Mark the step as computed. Returns the sequences whose next token is due, in the order of the step."""
        due = []
        for work in step:
            if work.completes:
                due.append(work.sequence)
            work.sequence.computed += work.count
        return due

    def retire(self, sequences: list[Sequence]) -> None:
        """Remove the finished sequences from the batch."""
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
