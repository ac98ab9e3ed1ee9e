"""The bounded queue of waiting requests, from which batches are taken in order of arrival.

It does no I/O and reads no clock: every call is told the time. One thread at a time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from targets.batching.policy import BatchPolicy


class Item(Protocol):
    """What can wait in the queue."""

    rows: int  # how many rows of a batch it takes, at least 1
    arrived_ns: int  # set by `offer`


ItemT = TypeVar("ItemT", bound=Item)


class BatchQueue(Generic[ItemT]):
    """First in, first out; at most `queue_limit` rows wait, and at most `batch_size` rows leave together.

    All three public attributes may be changed at any time; what already waits stays.
    """

    def __init__(self, policy: BatchPolicy, batch_size: int, queue_limit: int) -> None:
        self.policy = policy
        self.batch_size = batch_size
        self.queue_limit = queue_limit
        self._items: deque[ItemT] = deque()
        self.rows = 0  # waiting now

    def has_room(self, rows: int = 1) -> bool:
        """Whether `rows` more rows may wait."""
        return self.rows + rows <= self.queue_limit

    def offer(self, item: ItemT, now_ns: int) -> bool:
        """Let `item` wait; False where the queue is full."""
        rows = self.rows + item.rows
        if rows > self.queue_limit:
            return False
        item.arrived_ns = now_ns
        self._items.append(item)
        self.rows = rows
        return True

    def take(self, now_ns: int) -> list[ItemT] | None:
        """The next batch if it is full or has waited long enough, else None."""
        due_ns = self.deadline_ns()
        return None if due_ns is None or now_ns < due_ns else self._pop()

    def deadline_ns(self) -> int | None:
        """The instant from which `take` gives a batch, None while nothing waits."""
        if not self._items:
            return None
        oldest_ns = self._items[0].arrived_ns
        return oldest_ns if self.rows >= self.batch_size else self.policy.due_ns(oldest_ns, self.rows)

    def _pop(self) -> list[ItemT]:
        if self.rows <= self.batch_size:
            batch = list(self._items)
            self._items.clear()
            self.rows = 0
            return batch
        batch = [self._items.popleft()]  # goes even where `batch_size` was lowered below its rows meanwhile
        rows = batch[0].rows
        while self._items and rows + self._items[0].rows <= self.batch_size:
            item = self._items.popleft()
            rows += item.rows
            batch.append(item)
        self.rows -= rows
        return batch
