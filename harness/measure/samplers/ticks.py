"""The sampler's timer, with absolute deadlines: a late tick does not delay the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.clock import Clock


@dataclass(frozen=True, slots=True)
class Tick:
    """One deadline that was served."""

    due_ns: int
    late_ns: int
    skipped: int  # whole deadlines that passed unserved before this one


class Timer:
    """Yields a tick now and after each interval, without end; where several have passed, only the last of them."""

    def __init__(self, clock: Clock, interval_ns: int) -> None:
        if interval_ns <= 0:
            raise ValueError("interval_ns must be positive")
        self._clock = clock
        self._interval_ns = interval_ns
        self._due_ns = clock.now_ns()

    def __iter__(self) -> Iterator[Tick]:
        return self

    def __next__(self) -> Tick:
        skipped = max(0, (self._clock.now_ns() - self._due_ns) // self._interval_ns)
        due_ns = self._due_ns + skipped * self._interval_ns
        self._clock.sleep_until_ns(due_ns)
        self._due_ns = due_ns + self._interval_ns
        return Tick(due_ns, max(0, self._clock.now_ns() - due_ns), skipped)
