"""The result of a gate (worse, not worse, or undecided) and the figures that it rests on."""

from __future__ import annotations

import msgspec

from harness.judge.interval import Interval
from harness.judge.significance import Change


class GateFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one point. `ratio` is after / before; of `failed`, a share, after - before."""

    name: str
    ratio: Interval
    change: Change
    before: Interval | None = None  # None where trials were compared pair by pair
    after: Interval | None = None
    finds: float | None = None  # the relative change that is found with 90 % power; None: not known


class GatePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point of both."""

    label: str
    change: Change
    figures: tuple[GateFigure, ...] = ()
    why: str = ""  # it cannot be compared
    misses_slo: bool = False


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Not worse: no figure of any point is worse by more than `effect`."""

    change: Change
    effect: float
    sentence: str
    points: tuple[GatePoint, ...]
    interleaved: bool  # measured in turn, so that a drift of the machine favours neither
    before: str  # what is compared with what, in words
    after: str
    reasons: tuple[str, ...] = ()  # why it cannot be said, and what a reader must know
    slo: str = ""  # a limit that was asked for and missed

    @property
    def worse(self) -> bool:
        """Whether any figure got worse by more than the effect."""
        return self.change is Change.REGRESSION

    @property
    def said(self) -> bool:
        """Whether there is an answer."""
        return self.change is not Change.INCONCLUSIVE
