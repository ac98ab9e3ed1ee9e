"""The search for a setting's capacity: the highest rate of Poisson arrivals at which it meets the SLO.

A pure algorithm: it returns the next load and takes the result of each. First a ladder of closed-loop users finds the
throughput that the target cannot pass; then the rate is bisected; then, near the border, the logarithm of
percentile / limit is taken as linear in the rate, and rates are tried where that line crosses zero. (Bisection alone
needs twice the probes for the same error; see `tests/harness/run/test_capacity_search.py`.)

A server that waits to fill its batches has its longest response times at low rates: where the first rate misses the
limit, higher ones are tried before lower ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.plan.arrivals import Arrivals, Closed, Poisson

LADDER = (32, 128, 512)  # closed-loop users
LADDER_GAIN = 1.05  # the ladder ends where so many more users bring less
FIRST_SHARE = 0.7  # of the closed loop's throughput: the first rate
HIGHER_SHARES = (0.9, 0.8, 0.97)  # tried where the first rate misses the limit
STEP_UP, STEP_DOWN = 1.25, 0.6  # while one side of the border is unknown
LOCAL_WIDTH = 1.08  # failing rate / passing rate from which on the line is trusted
LOCAL_REACH = 1.25  # probes so near the border count for the line
FINEST_STEP = 0.01  # two rates nearer than this are one
MAX_TRIES = 3  # of a rate where it stays undecided whether the objective holds
LOWEST_SHARE = 0.01  # of the closed loop's throughput: below that there is no capacity worth the name


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one load: good responses per second, whether the objective held (None: undecided).

    tail_ratio: the objective's percentile / its limit; None where the sample could not carry it.
    """

    load: Arrivals
    throughput_rps: float
    met: bool | None
    tail_ratio: float | None = None
    tries: int = 1


class CapacitySearch:
    """The search for one setting. `max_rates`: how many rates are tried at most."""

    def __init__(self, max_rates: int = 12) -> None:
        self._max_rates = max_rates
        self._ladder: list[Probe] = []
        self._rates: dict[float, Probe] = {}

    @property
    def ceiling_rps(self) -> float:
        """The closed loop's greatest throughput; 0 before the ladder."""
        return max((probe.throughput_rps for probe in self._ladder), default=0.0)

    @property
    def holds_from_rps(self) -> float | None:
        """The lowest rate that held where lower ones do not: 0 where the lowest held; None where none held."""
        held = [rate for rate, probe in self._rates.items() if probe.met]
        if not held:
            return None
        first = self._rates.get(self._first_rate_rps)
        return min(held) if first is not None and first.met is False and min(held) > self._first_rate_rps else 0.0

    @property
    def low_rps(self) -> float | None:
        """The highest rate that held, below every rate that did not and is not below `holds_from_rps`."""
        high_rps = self.high_rps or math.inf
        return max((rate for rate, probe in self._rates.items() if probe.met and rate < high_rps), default=None)

    @property
    def high_rps(self) -> float | None:
        """The lowest rate from `holds_from_rps` on at which the objective did not hold, or is undecided."""
        from_rps = self.holds_from_rps or 0.0
        return min((rate for rate, probe in self._rates.items() if not probe.met and rate >= from_rps), default=None)

    @property
    def _first_rate_rps(self) -> float:
        return self._tidy(FIRST_SHARE * self.ceiling_rps)

    def observe(self, probe: Probe) -> None:
        """Take what came of a load; a later one of the same rate takes the place of the earlier one."""
        if isinstance(probe.load, Poisson):
            self._rates[probe.load.rate_rps] = probe
        else:
            self._ladder.append(probe)

    def next_load(self) -> Arrivals | None:
        """The load to try next; None where the search has ended."""
        if self._climbing():
            return Closed(users=LADDER[len(self._ladder)])
        if self.ceiling_rps <= 0:
            return None
        undecided = [probe for probe in self._rates.values() if probe.met is None and probe.tries < MAX_TRIES]
        if undecided:
            return undecided[0].load
        if len(self._rates) >= self._max_rates:
            return None
        rate_rps = self._next_rate()
        return None if rate_rps is None else Poisson(rate_rps=rate_rps)

    def _climbing(self) -> bool:
        if not self._ladder:
            return True
        if len(self._ladder) == len(LADDER):
            return False
        before = max((probe.throughput_rps for probe in self._ladder[:-1]), default=0.0)
        return self._ladder[-1].throughput_rps > LADDER_GAIN * before

    def _next_rate(self) -> float | None:
        low_rps, high_rps = self.low_rps, self.high_rps
        if low_rps is None and high_rps is None:
            return self._first_rate_rps
        if high_rps is None:
            return self._tidy(STEP_UP * low_rps) if low_rps else None
        if low_rps is None:
            higher = [self._tidy(share * self.ceiling_rps) for share in HIGHER_SHARES]
            untried = [rate for rate in higher if rate not in self._rates]
            if untried and self._rates[self._first_rate_rps].met is False:
                return untried[0]
            lower_rps = STEP_DOWN * high_rps
            return self._tidy(lower_rps) if lower_rps > LOWEST_SHARE * self.ceiling_rps else None
        if high_rps / low_rps > LOCAL_WIDTH:
            return self._tidy(math.sqrt(low_rps * high_rps))
        return self._local_rate(low_rps, high_rps)

    def _local_rate(self, low_rps: float, high_rps: float) -> float | None:
        """Where the line through the probes near the border crosses the limit, or the middle; None: fine enough."""
        if high_rps / low_rps < 1 + 2 * FINEST_STEP:
            return None
        middle_rps = math.sqrt(low_rps * high_rps)
        crossing_rps = self._crossing(low_rps / LOCAL_REACH, high_rps * LOCAL_REACH)
        wanted_rps = middle_rps if crossing_rps is None else crossing_rps
        inside_rps = min(max(wanted_rps, low_rps * (1 + FINEST_STEP)), high_rps / (1 + FINEST_STEP))
        return self._tidy(inside_rps)

    def _crossing(self, least_rps: float, most_rps: float) -> float | None:
        near = [
            (rate, math.log(probe.tail_ratio))
            for rate, probe in self._rates.items()
            if probe.tail_ratio and least_rps <= rate <= most_rps
        ]
        if len(near) < 2:
            return None
        rates, logarithms = np.array(near).T
        slope, at_zero = np.polyfit(rates, logarithms, 1)
        return float(-at_zero / slope) if slope > 0 else None

    @staticmethod
    def _tidy(rate_rps: float) -> float:
        """Three significant digits: what a person would ask for."""
        return float(f"{rate_rps:.3g}") if rate_rps < 1000 else float(f"{rate_rps:.4g}")
