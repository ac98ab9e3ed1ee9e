"""A value with the ends of its 95 % interval: the one type for every figure that carries its uncertainty."""

from __future__ import annotations

import math

import msgspec

MOST_RATIO = 10.0  # of the upper end to the lower one of an interval that is worth showing


class Interval(msgspec.Struct, frozen=True):
    """A value and the ends of its 95 % interval. An end is None where the data cannot give it."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends; infinitely far away where one is not known."""
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    @property
    def vague(self) -> bool:
        """Whether a positive value may be ten times smaller or larger at the far end: such an interval says nothing."""
        return self.low is not None and self.high is not None and 0.0 < self.low < self.high / MOST_RATIO

    @property
    def width(self) -> float:
        """From end to end; infinite where an end is not known."""
        low, high = self.ends
        return high - low

    @property
    def half_width(self) -> float:
        """The wider of both sides, as a share of a positive value; infinite where an end is not known."""
        low, high = self.ends
        return max(self.value - low, high - self.value) / self.value

    def times(self, factor: float) -> Interval:
        """The interval in another unit; `factor` > 0."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.value, low, high)

    def clipped(self, lowest: float, highest: float = math.inf) -> Interval:
        """The interval with its ends moved into the range that the figure can have."""
        low, high = (None if end is None else min(max(end, lowest), highest) for end in (self.low, self.high))
        return Interval(self.value, low, high)
