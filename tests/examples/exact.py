"""Queues whose exact truth can be computed, without a simulation. Shares no code with the harness."""

import math

import numpy as np


def poisson_pmf(mean, size):
    """P(k) for k < size."""
    counts = np.arange(size)
    return np.exp(counts * math.log(mean) - mean - np.array([math.lgamma(k + 1) for k in counts]))


def stationary(transitions):
    """The distribution that a Markov chain's matrix of transitions leaves as it is."""
    size = len(transitions)
    equations = np.vstack([transitions.T - np.eye(size), np.ones(size)])
    return np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]


def mdc_mean_wait(rate, servers, size=400):
    """Mean wait of M/D/c, service 1 (Crommelin 1932).

    Whoever is in service at t has left at t + 1, and whoever comes in between has not: so the number in the system one
    service later is max(n - c, 0) plus the arrivals of one service. That chain's distribution is that of any instant.
    """
    arrivals = poisson_pmf(rate, size)
    transitions = np.zeros((size, size))
    for n in range(size):
        left = max(n - servers, 0)
        transitions[n, left:] = arrivals[: size - left]
        transitions[n, -1] += 1 - transitions[n].sum()
    in_system = stationary(transitions)
    waiting = sum((n - servers) * in_system[n] for n in range(servers, size))
    return waiting / rate


def batching_means(rate, slope, base, largest, size=300):
    """(mean response, mean rows per batch, mean wait) of greedy batching: Poisson arrivals, s(b) = slope * b + base.

    The chain of the number n in the queue when a batch begins: it takes b = min(n, largest), and n - b stay while
    Poisson(rate * s(b)) come; from none the next batch begins with one, after an idle time of mean 1 / rate.
    """
    transitions, cycle, area = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for n in range(1, size):
        rows = min(n, largest)
        service = slope * rows + base
        arrivals = poisson_pmf(rate * service, size)
        after = np.zeros(size)
        after[n - rows :] = arrivals[: size - (n - rows)]
        after[-1] += 1 - after.sum()
        cycle[n] = service + after[0] / rate
        area[n] = n * service + rate * service**2 / 2
        after[1] += after[0]
        after[0] = 0.0
        transitions[n] = after
    at_start = np.append(0.0, stationary(transitions[1:, 1:]))
    response = at_start @ area / (at_start @ cycle) / rate
    rows = np.minimum(np.arange(size), largest)
    mean_rows = at_start @ rows
    in_service = at_start @ (rows * (slope * rows + base)) / mean_rows
    return response, mean_rows, response - in_service
