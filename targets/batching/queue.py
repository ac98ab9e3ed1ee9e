"""The bounded FIFO queue of waiting requests, from which batches are taken.

It does no I/O and reads no clock: callers pass the time. Not thread-safe.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from targets.batching.policy import BatchPolicy


class Item(Protocol):
    """A request that can wait in the queue."""

    rows: int  # of the batch, at least 1
    arrived_ns: int  # set by `offer`
    expires_ns: int  # set by `offer`: from then on the request is not worth computing


NEVER_NS = 1 << 63

ItemT = TypeVar("ItemT", bound=Item)


class BatchQueue(Generic[ItemT]):
    """A FIFO queue in which at most `queue_limit` rows wait and from which at most `batch_size` rows leave together.

    An item of more rows waits and leaves alone: refused by an empty queue, it would be refused for ever.
    `policy`, `batch_size` and `queue_limit` may be changed at any time; waiting items stay.
    """

    def __init__(self, policy: BatchPolicy, batch_size: int, queue_limit: int) -> None:
        self.policy = policy
        self.batch_size = batch_size
        self.queue_limit = queue_limit
        self._items: deque[ItemT] = deque()
        self.rows = 0  # waiting now
        self._first_expiry_ns = NEVER_NS  # a lower bound on the expiry of the waiting items

    def has_room(self, rows: int = 1) -> bool:
        """Whether the queue can take `rows` more rows."""
        return not self.rows or self.rows + rows <= self.queue_limit

    def offer(self, item: ItemT, now_ns: int, timeout_ns: int | None = None) -> bool:
        """Append `item`, which expires after `timeout_ns`; False where the queue is full."""
        if not self.has_room(item.rows):
            return False
        item.arrived_ns = now_ns
        item.expires_ns = NEVER_NS if timeout_ns is None else now_ns + timeout_ns
        self._first_expiry_ns = min(self._first_expiry_ns, item.expires_ns)
        self._items.append(item)
        self.rows += item.rows
        return True

    def drop_expired(self, now_ns: int) -> list[ItemT]:
        """Remove and return the expired items. Call it before `take`."""
        if now_ns < self._first_expiry_ns:
            return []
        expired = [item for item in self._items if item.expires_ns <= now_ns]
        self._items = deque(item for item in self._items if item.expires_ns > now_ns)
        self.rows -= sum(item.rows for item in expired)
        self._first_expiry_ns = min((item.expires_ns for item in self._items), default=NEVER_NS)
        return expired

    def take(self, now_ns: int) -> list[ItemT] | None:
        """The next batch if it is full or due, else None."""
        due_ns = self._due_ns()
        return None if due_ns is None or now_ns < due_ns else self._pop()

    def deadline_ns(self) -> int | None:
        """The instant from which `take` or `drop_expired` returns items; None while the queue is empty."""
        due_ns = self._due_ns()
        return None if due_ns is None else min(due_ns, self._first_expiry_ns)

    def _due_ns(self) -> int | None:
        if not self._items:
            return None
        oldest_ns = self._items[0].arrived_ns
        return oldest_ns if self.rows >= self.batch_size else self.policy.due_ns(oldest_ns, self.rows)

    def _pop(self) -> list[ItemT]:
        if self.rows <= self.batch_size:
            batch = list(self._items)
            self._items.clear()
            self.rows = 0
            self._first_expiry_ns = NEVER_NS
            return batch
        batch = [self._items.popleft()]  # leaves even where its rows exceed `batch_size`
        rows = batch[0].rows
        while self._items and rows + self._items[0].rows <= self.batch_size:
            item = self._items.popleft()
            rows += item.rows
            batch.append(item)
        self.rows -= rows
        return batch
