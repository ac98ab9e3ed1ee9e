"""How response times spread: bars, and their course over time as a map of cells, drawn by hand in few bytes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.units import with_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.response_spread import ResponseSpread, SpreadOverTime

WIDTH, HEIGHT = 320, 110
MOST_REPEATS = 4  # side by side in a map
LEVELS = 5  # shades of a map
_GAP = 3  # units between repeats


@dataclass(frozen=True, slots=True)
class TimeMap:
    """One repeat of a map: a path of cells for each shade, and the numbers behind them.

    `counts` has a row for each time bin, joined by ";": the first bar that is not zero, then the counts from there on.
    """

    left: float
    width: float
    columns: int
    rows: int
    shades: tuple[str, ...]
    counts: str
    start_s: float
    bin_s: float
    repeat: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram and its map over time; `edges` and `counts` are numbers joined by spaces."""

    bars: str  # a path
    edges: str
    counts: str
    ticks: tuple[tuple[float, str], ...]  # share of the width, and a duration
    maps: tuple[TimeMap, ...]
    left_out: int  # repeats
    width: int = WIDTH
    height: int = HEIGHT


def histogram(spread: ResponseSpread | None) -> Histogram | None:
    """The drawing; None where there was no response."""
    if spread is None:
        return None
    shown = spread.over_time[:MOST_REPEATS]
    return Histogram(
        bars=_bars(spread.counts),
        edges=" ".join(f"{edge:.4g}" for edge in spread.edges_ms),
        counts=" ".join(map(str, spread.counts)),
        ticks=tuple(_ticks(spread.edges_ms)),
        maps=tuple(_maps(shown)),
        left_out=len(spread.over_time) - len(shown),
    )


def _bars(counts: Sequence[int]) -> str:
    most, step = max(counts, default=0) or 1, WIDTH / len(counts)
    return "".join(
        f"M{place * step + 0.3:.1f} {HEIGHT}v-{(HEIGHT - 6) * count / most:.1f}h{step - 0.6:.1f}V{HEIGHT}z"
        for place, count in enumerate(counts)
        if count
    )


def _ticks(edges_ms: Sequence[float]) -> Iterator[tuple[float, str]]:
    """Five durations evenly along the logarithmic axis."""
    low, high = math.log(edges_ms[0]), math.log(edges_ms[-1])
    for place in range(5):
        share = place / 4
        yield share, with_unit(math.exp(low + share * (high - low)), "ms", 2)


def _maps(repeats: Sequence[SpreadOverTime]) -> Iterator[TimeMap]:
    most = max((count for repeat in repeats for row in repeat.counts for count in row), default=0) or 1
    width = (WIDTH - _GAP * (len(repeats) - 1)) / max(1, len(repeats))
    for place, repeat in enumerate(repeats):
        yield TimeMap(
            left=round(place * (width + _GAP), 1),
            width=round(width, 1),
            columns=len(repeat.counts),
            rows=len(repeat.counts[0]) if repeat.counts else 1,
            shades=tuple(_shades(repeat.counts, most)),
            counts=";".join(map(_row, repeat.counts)),
            start_s=repeat.start_s,
            bin_s=repeat.bin_s,
            repeat=repeat.repeat + 1,
        )


def _shades(counts: Sequence[Sequence[int]], most: int) -> list[str]:
    """A path for each shade, a cell being one by one; neighbours of one shade are drawn together.

    The square root of a count is drawn, so that the tail is seen beside the body.
    """
    paths = [""] * (LEVELS + 1)
    for column, row in enumerate(counts):
        levels = (math.ceil(LEVELS * math.sqrt(count / most)) for count in row)
        top = len(row)
        for level, run in itertools.groupby(levels):
            high = len([*run])
            top -= high
            paths[level] += f"M{column} {top}h1v{high}h-1z"
    return paths[1:]


def _row(counts: Sequence[int]) -> str:
    some = [bar for bar, count in enumerate(counts) if count]
    if not some:
        return ""
    return " ".join(map(str, (some[0], *counts[some[0] : some[-1] + 1])))
