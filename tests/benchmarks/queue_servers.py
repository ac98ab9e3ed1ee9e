"""Servers in an open loop whose capacity is known: simulated, one queue of Poisson arrivals each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.capacity.border import RateTrial
from harness.judge.stats.dependence import dependence
from harness.judge.stats.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[np.random.Generator, int], np.ndarray]

SERVICE_S = 1e-3
CV_SQUARED = 9.0  # of the log-normal service times
SHAPE = 2.2  # of the Pareto ones
WARM_UP_S = 0.5


@dataclass(frozen=True)
class QueueServer:
    """A server: `responses(rng, rate, seconds)` in seconds; p99 reaches `limit_s` at `capacity_rps`."""

    name: str
    responses: Callable[[np.random.Generator, float, float], np.ndarray]
    limit_s: float
    ceiling_rps: float
    capacity_rps: float

    def trial(self, rng: np.random.Generator, rate_rps: float, seconds: float, noise: float = 0.0) -> RateTrial:
        """What a trial would say; the machine is faster or slower in each by a log-normal noise."""
        slower = math.exp(noise * rng.standard_normal())
        took_s = slower * self.responses(rng, rate_rps * slower, seconds / slower)
        slow = Durations(1e9 * took_s, np.zeros(took_s.size, bool)).slower_than(1e9 * self.limit_s)
        return RateTrial(rate_rps, slow.seen, slow.rows, 0.01, dependence([slow]))


def arrivals(rng: np.random.Generator, rate_rps: float, seconds: float) -> np.ndarray:
    return np.sort(rng.uniform(0.0, seconds, rng.poisson(rate_rps * seconds)))


def single(draw: Draw) -> Callable[[np.random.Generator, float, float], np.ndarray]:
    """One request at a time, by Lindley's recursion."""

    def responses(rng: np.random.Generator, rate_rps: float, seconds: float) -> np.ndarray:
        arrived = arrivals(rng, rate_rps, seconds + WARM_UP_S)
        served = draw(rng, arrived.size)
        walk = np.concatenate([[0.0], np.cumsum(served[:-1] - np.diff(arrived))])
        return (walk - np.minimum.accumulate(walk) + served)[arrived >= WARM_UP_S]

    return responses


def batches(
    size: int, fixed_s: float, each_s: float, wait_s: float = 0.0
) -> Callable[[np.random.Generator, float, float], np.ndarray]:
    """Batches of up to `size`, which start when the server is free and are full, or have waited for `wait_s`."""

    def responses(rng: np.random.Generator, rate_rps: float, seconds: float) -> np.ndarray:
        arrived = arrivals(rng, rate_rps, seconds + WARM_UP_S)
        times, took, first, free = arrived.tolist(), np.empty(arrived.size), 0, 0.0
        while first < len(times):
            full = times[first + size - 1] if first + size <= len(times) else math.inf
            start = max(free, times[first], min(full, times[first] + wait_s))
            last = first + 1
            while last < min(first + size, len(times)) and times[last] <= start:
                last += 1
            free = start + fixed_s + each_s * (last - first)
            took[first:last] = free - arrived[first:last]
            first = last
        return took[arrived >= WARM_UP_S]

    return responses


def exponential(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.exponential(SERVICE_S, count)


def constant(_: np.random.Generator, count: int) -> np.ndarray:
    return np.full(count, SERVICE_S)


def log_normal(rng: np.random.Generator, count: int) -> np.ndarray:
    variance = math.log1p(CV_SQUARED)
    return SERVICE_S * rng.lognormal(-variance / 2, math.sqrt(variance), count)


def pareto(rng: np.random.Generator, count: int) -> np.ndarray:
    return SERVICE_S * (SHAPE - 1) / SHAPE * (1.0 + rng.pareto(SHAPE, count))


# The capacities of the first two are exact (for M/M/1 1000 - ln(100) / 20 ms), those of the others are interpolated
# between simulations of 120 000 s (batch servers: 600 s) at rates within 5 %.
SERVERS = (
    QueueServer("M/M/1, 20 ms", single(exponential), 0.020, 1000.0, 769.74),
    QueueServer("M/D/1, 8 ms", single(constant), 0.008, 1000.0, 718.63),
    QueueServer("batches of 16, 15 ms", batches(16, 3e-3, 0.25e-3), 0.015, 16 / 7e-3, 1881.0),
    QueueServer("batches of 64 that wait 30 ms, 37 ms", batches(64, 6e-3, 0.15e-3, 0.03), 0.037, 64 / 15.6e-3, 3904.7),
    QueueServer("M/G/1 Pareto 2.2, 50 ms", single(pareto), 0.050, 1000.0, 793.5),
    QueueServer("M/G/1 log-normal, CV 3, 50 ms", single(log_normal), 0.050, 1000.0, 372.4),
)
