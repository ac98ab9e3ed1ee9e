"""The phases of a trial, as instants on CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import dataclass

from harness.rows import Phase

NEVER_NS = 2**62


@dataclass(slots=True)
class Phases:
    """When measuring starts and ends; `NEVER_NS` while that is not known."""

    measure_start_ns: int = NEVER_NS
    measure_end_ns: int = NEVER_NS

    def at(self, due_ns: int) -> int:
        """The phase that a request due then belongs to."""
        if due_ns < self.measure_start_ns:
            return int(Phase.WARMUP)
        return int(Phase.MEASURE if due_ns < self.measure_end_ns else Phase.DRAIN)

    def end(self, now_ns: int) -> None:
        """Measuring ends now, unless it has."""
        self.measure_end_ns = min(self.measure_end_ns, now_ns)
