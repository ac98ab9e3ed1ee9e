"""A reading is one value of one metric, to which the sampler adds the time."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """One metric of one source, named as in `harness.record.samples`; `value` None with the reason in `error`."""

    source: str
    metric: str
    value: float | None
    error: str | None = None


class Reader(Protocol):
    """A source of readings, read at every tick."""

    def read(self, now_ns: int) -> list[Reading]:
        """The present readings. A failure is a reading with an error, never an exception."""
