"""How the response times of a point spread: as a histogram, and over the time of each repeat."""

from __future__ import annotations

import msgspec


class SpreadOverTime(msgspec.Struct, frozen=True, kw_only=True):
    """The good responses of one repeat by the time they came and by how long they took."""

    repeat: int
    bin_s: float
    start_s: float  # of the first time bin, since the measure phase began (warm-up is negative)
    counts: tuple[tuple[int, ...], ...]  # a row for each time bin; a number for each bar of the histogram


class ResponseSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Response times in bars that each reach a few percent further than the one before.

    `counts` are the responses from which the percentiles of the point are made, `over_time` all good responses.
    """

    edges_ms: tuple[float, ...]  # one more than bars
    counts: tuple[int, ...]
    over_time: tuple[SpreadOverTime, ...]
