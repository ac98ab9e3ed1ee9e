"""The result of a comparison of two variants, whose trials were interleaved in blocks."""

from __future__ import annotations

import msgspec

from harness.judge.interval import Interval
from harness.judge.significance import Change

THROUGHPUT, P50, P99, FAILED = FIGURES = ("throughput", "p50", "p99", "failed")


class PairedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the second variant against the first, at one load level."""

    name: str  # one of FIGURES
    ratio: Interval  # second / first; of "failed", a share, second - first
    change: Change
    pairs: int
    p_worse: float | None = None  # of the test that it got worse, corrected for all figures of the comparison
    deviation: float  # of a pair's difference: of the logarithm, or of the share
    more_pairs: int | None = None  # that would decide it; None where it is decided
    each_pair: tuple[float, ...] = ()  # `ratio` of each pair, in the order of measuring


class SpoiledPairs(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of one level of which a trial says nothing of its variant."""

    pairs: int
    cause: str  # `disturbances on the machine`, or the title of a finding
    count: bool  # they count all the same, since too few others are left


class PairedLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Both variants at one load level."""

    points: tuple[int, int]
    figures: tuple[PairedFigure, ...]
    change: Change  # the worst of its figures; worse by `faults` in any case
    faults: tuple[str, ...] = ()  # that make only the second variant INVALID: titles of findings
    spoiled: tuple[SpoiledPairs, ...] = ()


class PairedComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The second variant against the first: worse, not worse by more than `margin`, or it cannot be said."""

    change: Change
    margin: float
    variants: tuple[str, str]  # in words
    levels: tuple[PairedLevel, ...]
    finds: float | None  # the change of throughput that was found with 90 % power; None: too few pairs
    more_seconds: float | None = None  # that would decide what cannot be said yet
