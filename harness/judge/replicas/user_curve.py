"""A server as its closed-loop curve: how fast it completes requests while n of them are open.

By Norton's theorem for queueing networks (Chandy, Herzog and Woo, 1975) a server under any load behaves like a single
queue that completes X(n) requests a second while n are open, X(n) being its throughput with n users. How much the gaps
between completions vary is taken from the spread of its response times.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.simulation.service_time import ServiceTime
from harness.judge.simulation.system import SimulatedSystem
from harness.judge.stats.distributions import gamma_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MS_PER_S = 1e3
WARMUP_SHARE = 0.1
FULL = 0.97  # of the highest throughput: more users only wait
ALMOST = 0.9  # of the highest throughput: as good as that
FACTORS = 4096
VARIATIONS = np.geomspace(1e-3, 30, 60)  # squared coefficient of variation of the gaps that are tried


@dataclass(frozen=True, slots=True)
class Level:
    """One measured load: users, their throughput and the tail of their response times."""

    users: int
    rate_rps: float
    tail_ms: float | None


@dataclass(frozen=True, slots=True)
class UserCurve:
    """Throughput by users, measured at `users` (rising), and the variation of the gaps between completions."""

    users: tuple[int, ...]
    rates_rps: tuple[float, ...]
    variation: float = 1.0

    @property
    def most_rps(self) -> float:
        """The highest throughput that was measured."""
        return max(self.rates_rps)

    @property
    def saturated(self) -> bool:
        """Whether half of the most users that were measured have almost the highest throughput."""
        return bool(self.rates_to(self.users[-1] // 2).max() >= ALMOST * self.most_rps)

    def rates_to(self, count: int) -> NDArray[np.float64]:
        """X(0) to X(count): on straight lines of the logarithms, and as at the ends beyond them; X(0) is 0."""
        n = np.arange(1, count + 1)
        between = np.exp(np.interp(np.log(n), np.log(self.users), np.log(self.rates_rps)))
        below = np.minimum(between, self.rates_rps[0] * n / self.users[0]) if self.users[0] > 1 else between
        return np.concatenate([[0.0], below])

    def closed_tail_ms(self, users: int, p: float) -> float:
        """The `p`-quantile with that many users: each response waits for as many completions."""
        shape = users / self.variation
        mean_ms = users / self.rates_to(users)[-1] * MS_PER_S
        return float(mean_ms * gamma_quantile(p, shape) / shape)

    def responses_ms(self, rate_rps: float, requests: int, seed: int) -> NDArray[np.float64]:
        """Response times under Poisson arrivals at `rate_rps`, below what the server can do, simulated."""
        return _simulate(self, rate_rps, requests, seed)[int(WARMUP_SHARE * requests) :]

    def as_batches(self) -> SimulatedSystem:
        """The same server where n requests that are open are served together, in the time in which X(n) are.

        Of all servers with this curve it makes a request wait the longest: for a batch under way, and for its own.
        """
        rates = self.rates_to(self.users[-1])
        largest = int(np.argmax(rates >= FULL * self.most_rps))
        times_ms = np.maximum.accumulate(np.arange(1, largest + 1) / rates[1 : largest + 1] * MS_PER_S)
        factors = np.random.default_rng(0).gamma(1 / self.variation, self.variation, FACTORS)
        service = ServiceTime(slope_ms=0.0, base_ms=0.0, factors=factors / factors.mean(), curve_ms=tuple(times_ms))
        return SimulatedSystem(stages=(service,), batch_size=largest)


def fit_curve(levels: Sequence[Level], p: float) -> UserCurve:
    """The curve through measured levels of one setting; its variation is that which fits their tails best."""
    ordered = sorted(levels, key=lambda level: level.users)
    users, rates = tuple(level.users for level in ordered), tuple(level.rate_rps for level in ordered)
    curves = [UserCurve(users, rates, float(variation)) for variation in VARIATIONS]
    known = [level for level in ordered if level.tail_ms]
    if not known:
        return UserCurve(users, rates)

    def misfit(curve: UserCurve) -> float:
        return sum(math.log(curve.closed_tail_ms(level.users, p) / (level.tail_ms or 1.0)) ** 2 for level in known)

    return min(curves, key=misfit)


def _simulate(curve: UserCurve, rate_rps: float, requests: int, seed: int) -> NDArray[np.float64]:
    """Response times (requests,) in ms of a queue whose speed depends on its length."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(MS_PER_S / rate_rps, requests)).tolist()
    shape = 1 / curve.variation
    works = (rng.gamma(shape, 1 / shape, requests)).tolist()
    longest = 4 * curve.users[-1]
    speeds = (curve.rates_to(longest) / MS_PER_S).tolist()  # completions per ms
    queue: deque[float] = deque()
    responses: list[float] = []
    now_ms, left, next_one = 0.0, 0.0, 0
    while len(responses) < requests:
        speed = speeds[min(len(queue), longest)]
        ends_ms = now_ms + left / speed if queue else np.inf
        if next_one < requests and arrivals[next_one] < ends_ms:
            left -= (arrivals[next_one] - now_ms) * speed
            now_ms = arrivals[next_one]
            if not queue:
                left = works[next_one]
            queue.append(now_ms)
            next_one += 1
            continue
        now_ms = ends_ms
        responses.append(now_ms - queue.popleft())
        left = works[len(responses) % requests]
    return np.array(responses)
