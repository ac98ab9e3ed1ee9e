"""Queues whose truth is known: exact formulas, and simulations of the same queues. Shares no code with the harness.

Times are in units of the mean service time unless said otherwise.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np

STEADY_AFTER = 40.0  # relaxation times of the queue that a simulation runs before it counts


def mm1_mean_response(rho):
    """Mean response time of M/M/1."""
    return 1 / (1 - rho)


def mm1_response_quantile(rho, p):
    """The response time of M/M/1 is exponential."""
    return -math.log(1 - p) / (1 - rho)


def mmc_mean_wait(rho, servers):
    """Mean wait of M/M/c by Erlang's recursion for the probability of loss."""
    load = rho * servers
    loss = 1.0
    for n in range(1, servers + 1):
        loss = load * loss / (n + load * loss)
    delayed = loss / (1 - rho * (1 - loss))
    return delayed / (servers * (1 - rho))


def mdc_mean_wait(rho, servers):
    """Mean wait of M/D/c (Cosmetatos 1975: within 1 % of the truth)."""
    correction = (1 - rho) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * rho * servers)
    return 0.5 * mmc_mean_wait(rho, servers) * (1 + correction)


def md1_mean_response(rho):
    """Pollaczek-Khinchine."""
    return 1 + rho / (2 * (1 - rho))


def md1_wait_cdf(rho, t):
    """P(wait <= t) of M/D/1 by Erlang's alternating series, in 80 digits, since its terms cancel."""
    with localcontext() as context:
        context.prec = 80
        rate, at = Decimal(repr(rho)), Decimal(repr(t))
        total = Decimal(0)
        for k in range(math.floor(t) + 1):
            x = rate * (k - at)
            total += (x**k if k else Decimal(1)) / math.factorial(k) * (-x).exp()
        return float((1 - rate) * total)


def md1_response_quantile(rho, p):
    """By bisection on the series; the response is the wait and one service time."""
    if md1_wait_cdf(rho, 0.0) >= p:
        return 1.0
    low, high = 0.0, 10 / (1 - rho)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if md1_wait_cdf(rho, middle) < p else (low, middle)
    return 1 + (low + high) / 2


def closed_throughput(users, demand_s, think_time_s):
    """Mean value analysis of one queueing station with `users` users: (throughput per s, response time in s)."""
    queue = 0.0
    throughput = response = 0.0
    for n in range(1, users + 1):
        response = demand_s * (1 + queue)
        throughput = n / (response + think_time_s)
        queue = throughput * response
    return throughput, response


def simulate_single_server(rng, runs, count, rho, *, fixed_service):
    """Response times (runs, count) of M/M/1 or M/D/1 in arrival order, by Lindley's recursion as a running minimum."""
    before = int(STEADY_AFTER / (1 - rho) ** 2)
    shape = (runs, count + before)
    service = np.ones(shape) if fixed_service else rng.exponential(1.0, shape)
    walk = np.zeros(shape)
    np.cumsum(service[:, :-1] - rng.exponential(1 / rho, shape)[:, 1:], axis=1, out=walk[:, 1:])
    wait = walk - np.minimum.accumulate(walk, axis=1)
    return (wait + service)[:, before:]


def simulate_ar1(rng, runs, count, phi=0.9):
    """Standard normal values (runs, count) of which each keeps `phi` of the one before."""
    from scipy.signal import lfilter

    before = 200
    noise = rng.standard_normal((runs, count + before))
    return lfilter([math.sqrt(1 - phi**2)], [1, -phi], noise, axis=1)[:, before:]
