"""A reading: what a reader says of one metric; the sampler adds when it was read."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """One metric of one source, named as in `harness.record.samples`; `value` None with the reason in `error`."""

    source: str
    metric: str
    value: float | None
    error: str | None = None


class Reader(Protocol):
    """Something that is read at every tick."""

    def read(self, now_ns: int) -> list[Reading]:
        """What it shows now. Failures are readings with an error, never exceptions."""
