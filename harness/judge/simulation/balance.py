"""Where to cut a chain so that its heaviest part is as light as can be."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def balance(costs: Sequence[float], parts: int) -> tuple[int, ...]:
    """The ends (exclusive, ascending, the last is len(costs)) of `parts` runs of `costs`, none of them empty.

    The largest sum is the smallest possible: dynamic programming over (pieces used, parts made).
    """
    if not 1 <= parts <= len(costs):
        raise ValueError(f"{len(costs)} pieces cannot make {parts} parts")
    before = [0.0, *accumulate(costs)]
    best = {(0, 0): (0.0, 0)}  # (pieces, parts): (largest sum, start of the last part)
    for part in range(1, parts + 1):
        for end in range(part, len(costs) - (parts - part) + 1):
            best[end, part] = min(
                (max(best[start, part - 1][0], before[end] - before[start]), start)
                for start in range(part - 1, end)
                if (start, part - 1) in best
            )
    ends = [len(costs)]
    for part in range(parts, 1, -1):
        ends.append(best[ends[-1], part][1])
    return tuple(reversed(ends))
