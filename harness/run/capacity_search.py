"""The search for a setting's capacity: the highest rate of Poisson arrivals at which it keeps its limits.

A pure algorithm: it returns the next load and takes the result of each. First a ladder of closed-loop users finds the
throughput that the target cannot pass; then rates are tried until one keeps and one breaks the limit; then the border
between them is estimated from all trials (`harness/judge/capacity/border.py`), and further trials go to where they tell
most about it, until its interval is narrow or the trials are used up.

A server that waits to fill its batches has its longest response times at low rates: where the first rate misses the
limit, higher ones are tried before lower ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.judge.capacity.border import upper_branch
from harness.judge.capacity.capacities import PRECISION, lowest_border
from harness.plan.arrivals import Arrivals, Closed, Poisson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.capacity.border import Border, RateTrial

LADDER = (32, 128, 512)  # closed-loop users
ALONE = 1  # user, where the first of the ladder get no good response: most of theirs may have been refused
LADDER_GAIN = 1.05  # the ladder ends where so many more users bring less
FIRST_SHARE = 0.7  # of the closed loop's throughput: the first rate
HIGHER_SHARES = (0.9, 0.8, 0.97)  # tried where the first rate misses the limit
STEP_UP, STEP_DOWN = 1.25, 0.6  # while one side of the border is unknown
ALMOST = 0.96  # of the closed loop's throughput: beyond it nearly every response is slow, whatever the limit
LOWEST_SHARE = 0.01  # of the closed loop's throughput: below that there is no capacity worth the name
LEAST_TRIALS = 10  # before the interval may end the search
GRID = 0.02  # rates lie so far apart, as a share
NEAR, FAR = 0.02, 0.2  # how far above the border a rate is tried, as a share: between these
ABOVE = 0.9  # in units of 1 / steepness: there 2.5 times as many responses are slow as are allowed
SPOILED = 3  # trials in a row that say nothing, after which a lower rate is tried
LOWER = 0.8


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of a load: good responses per second, and what each trial says of each bound (none: nothing)."""

    load: Arrivals
    throughput_rps: float | None  # None: it could not be run
    trials: Mapping[str, Sequence[RateTrial]] = field(default_factory=dict)
    tries: int = 1


class CapacitySearch:
    """The search for one setting. `most_trials`: how many trials of rates there may be."""

    def __init__(self, most_trials: int = 30) -> None:
        self._most_trials = most_trials
        self._ladder: list[Probe] = []
        self._rates: dict[float, Probe] = {}

    @property
    def ceiling_rps(self) -> float:
        """The closed loop's greatest throughput; 0 before the ladder."""
        return max((probe.throughput_rps or 0.0 for probe in self._ladder), default=0.0)

    @property
    def trials(self) -> dict[str, list[RateTrial]]:
        """All trials of rates, for each bound."""
        found: dict[str, list[RateTrial]] = defaultdict(list)
        for probe in self._rates.values():
            for bound, own in probe.trials.items():
                found[bound] += own
        return found

    @property
    def border(self) -> Border | None:
        """The capacity as far as it is known; None while the limit is broken at all rates, or at none."""
        return lowest_border(self.trials)

    def observe(self, probe: Probe) -> None:
        """Take what came of a load; a later one of the same rate takes the place of the earlier one."""
        if isinstance(probe.load, Poisson):
            self._rates.pop(probe.load.rate_rps, None)  # so that the latest is the last
            self._rates[probe.load.rate_rps] = probe
        else:
            self._ladder.append(probe)

    def next_load(self) -> Arrivals | None:
        """The load to try next; None where the search has ended."""
        if self._climbing():
            return Closed(users=LADDER[len(self._ladder)])
        if [probe.throughput_rps for probe in self._ladder] == [0.0]:
            return Closed(users=ALONE)
        tries = sum(probe.tries for probe in self._rates.values())
        if self.ceiling_rps <= 0 or tries >= self._most_trials:
            return None
        border = self.border
        if border is not None and tries >= LEAST_TRIALS and border.half_width <= PRECISION:
            return None
        rate_rps = self._first_border() if border is None else self._near(border, tries)
        return None if rate_rps is None else Poisson(rate_rps=_tidy(rate_rps * self._lowered()))

    def _climbing(self) -> bool:
        if not self._ladder:
            return True
        rates_rps = [probe.throughput_rps or 0.0 for probe in self._ladder]
        if len(rates_rps) == len(LADDER) or rates_rps[0] <= 0:
            return False
        return rates_rps[-1] > LADDER_GAIN * max(rates_rps[:-1], default=0.0)

    def _first_border(self) -> float | None:
        """The next rate while every rate keeps the limit, or every one breaks it."""
        first_rps = FIRST_SHARE * self.ceiling_rps
        broken = {trial.rate_rps for own in self.trials.values() for trial in upper_branch(own) if trial.above}
        known = {trial.rate_rps for own in self.trials.values() for trial in own}
        if not known:
            return first_rps
        if not broken:
            return self._higher(max(known))
        higher = [share * self.ceiling_rps for share in HIGHER_SHARES if _tidy(share * self.ceiling_rps) not in known]
        if higher and min(known) >= _tidy(first_rps):
            return higher[0]
        lower_rps = STEP_DOWN * min(known)
        return lower_rps if lower_rps > LOWEST_SHARE * self.ceiling_rps else None

    def _higher(self, rate_rps: float) -> float:
        """The next rate above one that keeps the limit; not beyond the closed loop's throughput in one step."""
        nearly_rps = ALMOST * self.ceiling_rps
        return min(STEP_UP * rate_rps, nearly_rps) if rate_rps < _tidy(nearly_rps) else STEP_UP * rate_rps

    def _near(self, border: Border, tries: int) -> float:
        """A rate at the border, or where so many more responses are slow that few seconds tell much."""
        ahead = math.log1p(min(max(ABOVE / border.steepness, NEAR), FAR))
        return border.rate_rps.value * math.exp(ahead if tries % 2 else 0.0)

    def _lowered(self) -> float:
        """Below 1 where the latest rates could not be judged: there the generator or the machine is the limit."""
        latest = 0
        for probe in reversed(self._rates.values()):
            if probe.trials:
                break
            latest += probe.tries
        return float(LOWER ** (latest // SPOILED))


def _tidy(rate_rps: float) -> float:
    """The nearest rate of a grid, with four significant digits: trials of one rate are repeats of one point."""
    return float(f"{math.exp(round(math.log(rate_rps) / GRID) * GRID):.4g}")
