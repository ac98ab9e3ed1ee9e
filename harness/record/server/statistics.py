"""The statistics that an external server keeps of its own work, as they were read during a trial.

Counters only grow, so what happened between two readings is their difference. Where a server gives a sum and a count,
the mean per request (or per batch, where it counts those) is difference by difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.files import read_if_whole

if TYPE_CHECKING:
    from pathlib import Path

    from harness.record.rows import Window

FILE = "server.json"  # in the folder of a trial
Counters = dict[str, float]  # value by name of a sample, labels added up
COVERED = 0.5  # of the window, by readings inside it; below that, those around it are nearer to the truth


class Part(NamedTuple):
    """A part of the split: the growth of `totals`, by that of `per`, in units of `to_ms` milliseconds."""

    name: str  # "queue", "batch_wait", "preprocess", "compute" or "serialise"
    totals: tuple[str, ...]
    per: str
    to_ms: float


class Gauge(NamedTuple):
    """What a server says of its state at an instant. `samples` are its names, by version of the server.

    highest: of several samples (of engines, say) the highest counts; otherwise their sum.
    """

    name: str  # of GAUGES
    samples: tuple[str, ...]
    highest: bool = False


class CounterShare(NamedTuple):
    """The growth of one counter over that of others; a count, where there are none. Names by version of the server."""

    name: str  # "preemptions" (a count), "prefix_hits" (of the prompts' tokens), "accepted" (of speculated tokens)
    part: tuple[str, ...]
    whole: tuple[tuple[str, ...], ...] = ()  # each of which is added


GAUGES = ("running", "waiting", "kv_cache")  # requests, requests, share of 1


class Family(NamedTuple):
    """The names that one kind of server uses. `batched` and `batches` give the mean batch."""

    name: str
    parts: tuple[Part, ...] = ()
    batched: str = ""
    batches: str = ""
    without_labels: tuple[tuple[str, str], ...] = ()  # samples with one of these labels are sums of others
    gauges: tuple[Gauge, ...] = ()
    shares: tuple[CounterShare, ...] = ()
    waiting_is_late: bool = False  # its gauge `waiting` leaves out requests that came since its last step began

    def samples(self) -> set[str]:
        """Every sample that is read."""
        parts = {name for part in self.parts for name in (*part.totals, part.per)}
        shares = {name for share in self.shares for names in (share.part, *share.whole) for name in names}
        return parts | shares | self.gauge_samples | ({self.batched, self.batches} - {""})

    @property
    def gauge_samples(self) -> set[str]:
        """Those that may fall."""
        return {name for gauge in self.gauges for name in gauge.samples}

    @property
    def highest_samples(self) -> set[str]:
        """Those of which the highest counts, not the sum."""
        return {name for gauge in self.gauges if gauge.highest for name in gauge.samples}


class CounterReading(msgspec.Struct, frozen=True, kw_only=True):
    """The server's counters and gauges at one instant of CLOCK_MONOTONIC."""

    at_ns: int
    counters: Counters
    gauges: Counters = {}


class ServerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` of a trial holds: readings in the order they were made, the first before any request."""

    family: str
    url: str
    readings: tuple[CounterReading, ...]

    def over(self, window: Window) -> tuple[CounterReading, CounterReading]:
        """The two readings whose difference is what happened in `window`.

        Those inside it that lie farthest apart, so that no request of the warm-up counts; in a window too short for
        that, the last before it and the first after it. There must be one at least.
        """
        inside = [reading for reading in self.readings if window.start_ns <= reading.at_ns <= window.end_ns]
        if inside and inside[-1].at_ns - inside[0].at_ns >= COVERED * (window.end_ns - window.start_ns):
            return inside[0], inside[-1]
        before = [reading for reading in self.readings if reading.at_ns < window.start_ns] or self.readings[:1]
        after = [reading for reading in self.readings if reading.at_ns > window.end_ns] or self.readings[-1:]
        return before[-1], after[0]


def read_statistics(folder: Path) -> ServerStatistics | None:
    """The statistics in a trial's folder; None where there are none that can be read."""
    return read_if_whole(folder / FILE, ServerStatistics)
