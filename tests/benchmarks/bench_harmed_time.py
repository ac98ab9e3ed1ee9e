"""Does leaving out harmed stretches flatter? Servers of known truth are frozen now and then by others.

A server is simulated in its own working time, which stands still while it is frozen; so each trial exists twice, with
and without harm. Shown per server and harm: the median error of p50, p99 and the rate against the truth, first of all
that was measured, then of what is left, and how often a 95 % interval of the clean pieces covers the truth.
`python -m tests.benchmarks.bench_harmed_time` or run the file; some three minutes on one core, seeds fixed.
"""

from __future__ import annotations

import heapq
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.numbers.machine.backlog import Requests
from harness.judge.numbers.machine.harmed_time import Stretches, UsableTime, unharmed_time
from harness.judge.stats.durations import Durations
from harness.judge.stats.mean_intervals import batch_rates
from harness.judge.stats.percentile_intervals import percentiles
from harness.judge.stats.quantiles import quantile
from harness.judge.stats.trial_noise import TrialNoise, pooled_rate

if TYPE_CHECKING:
    from collections.abc import Callable

S = 1_000_000_000
STRETCH_NS = S // 10
SECONDS, WARMUP_S = 4.0, 1.0

NO_RUN_NOISE = TrialNoise(0.0, 16.0)  # quiet trials differ by nothing


@dataclass(frozen=True)
class Trial:
    """Requests of one trial in real time, and what a sampler would have seen."""

    due_ns: np.ndarray
    done_ns: np.ndarray
    stretches: Stretches
    window_ns: tuple[int, int]
    open_loop: bool

    def clean(self) -> UsableTime:
        return unharmed_time(self.window_ns, self.stretches, Requests(self.due_ns, self.done_ns, self.open_loop))


@dataclass(frozen=True)
class Server:
    """`closed` simulates users in working time; `opened` answers arrivals that are given in working time."""

    name: str
    open_loop: bool
    serve: Callable[[np.random.Generator, np.ndarray | None, float], tuple[np.ndarray, np.ndarray]]
    rate_rps: float = 0.0


def fixed(users: int, mean_s: float, sigma: float):
    def serve(rng, _arrivals, seconds):
        """A FIFO queue before one worker; every user asks again at once."""
        count = int(seconds / mean_s * 1.2)
        service = mean_s * rng.lognormal(-(sigma**2) / 2, sigma, count)
        done = np.cumsum(service)
        due = np.concatenate((np.zeros(users), done[: count - users]))
        return due, done

    return serve


def batched(users: int, base_s: float, per_row_s: float, most: int, wander: float = 0.0):
    def serve(rng, _arrivals, seconds):
        """Greedy batches; with `wander`, the server's own speed drifts, and it is slow for stretches of 0.3 s."""
        due_list, done_list = [], []
        waiting = [0.0] * users
        now, level = 0.0, 0.0
        while now < seconds * 1.2:
            batch, waiting = waiting[:most], waiting[most:]
            took = (base_s + per_row_s * len(batch)) * np.exp(level) * rng.lognormal(0, 0.05)
            level += -level * took / 0.3 + wander * np.sqrt(2 * took / 0.3) * rng.standard_normal()
            now += took
            due_list += batch
            done_list += [now] * len(batch)
            waiting += [now] * len(batch)
        return np.array(due_list), np.array(done_list)

    return serve


def pausing(users: int, mean_s: float, every: int, pause_s: float):
    def serve(rng, _arrivals, seconds):
        """Garbage collection stops it for `pause_s` now and then: slow by itself."""
        count = int(seconds / mean_s * 1.2)
        service = rng.exponential(mean_s, count)
        service[rng.random(count) < 1 / every] += pause_s
        done = np.cumsum(service)
        return np.concatenate((np.zeros(users), done[: count - users])), done

    return serve


def fifo(draw):
    def serve(rng, arrivals, _seconds):
        """Lindley's recursion: arrivals in working time, one worker."""
        service = draw(rng, arrivals.size)
        ends = np.cumsum(service)
        starts = arrivals - (ends - service)
        return arrivals, ends + np.maximum.accumulate(starts)

    return serve


def thrashing(mean_s: float):
    def serve(rng, arrivals, _seconds):
        """The more requests wait, the slower it serves: slowness that goes with load."""
        done = np.empty(arrivals.size)
        open_ends: list[float] = []
        last = 0.0
        for index, at in enumerate(arrivals):
            while open_ends and open_ends[0] <= at:
                heapq.heappop(open_ends)
            took = rng.exponential(mean_s) * (1 + 0.02 * min(len(open_ends), 20))
            last = max(last, at) + took
            done[index] = last
            heapq.heappush(open_ends, last)
        return arrivals, done

    return serve


SERVERS = [
    Server("fixed 5 ms, 16 users", False, fixed(16, 5e-3 / 16, 0.1)),
    Server("log-normal (sigma 1), 8 users", False, fixed(8, 1e-3, 1.0)),
    Server("batches of 16, 32 users", False, batched(32, 1e-3, 5e-5, 16)),
    Server("batches, own speed wanders 20 %", False, batched(32, 1e-3, 5e-5, 16, 0.2)),
    Server("own pauses of 30 ms, 8 users", False, pausing(8, 1e-3, 300, 30e-3)),
    Server("M/M/1 at 0.7", True, fifo(lambda rng, n: rng.exponential(1e-3, n)), 700),
    Server("M/M/1 at 0.9", True, fifo(lambda rng, n: rng.exponential(1e-3, n)), 900),
    Server("M/G/1 at 0.5, log-normal 1", True, fifo(lambda rng, n: 1e-3 * rng.lognormal(-0.5, 1.0, n)), 500),
    Server("thrashing, 0.6", True, thrashing(1e-3), 600),
]


def bursts(per_s: float, low_s: float, high_s: float):
    """Freezes at random instants, of lengths drawn evenly."""

    def draw(rng, seconds):
        count = rng.poisson(per_s * seconds)
        starts = np.sort(rng.uniform(0, seconds, count))
        lengths = rng.uniform(low_s, high_s, count)
        spans: list[list[float]] = []
        for start, length in zip(starts, lengths, strict=True):
            if spans and start < spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], start + length)
            else:
                spans.append([start, start + length])
        return np.array(spans).reshape(-1, 2)

    return draw


HARMS = {
    "none": lambda rng, seconds: np.empty((0, 2)),
    "2/s of 20-60 ms": bursts(2, 0.02, 0.06),
    "0.5/s of 200-500 ms": bursts(0.5, 0.2, 0.5),
    "5/s of 20-60 ms": bursts(5, 0.02, 0.06),
}


def trial(server: Server, harm, seed: int) -> Trial:
    rng = np.random.default_rng(seed)
    total = WARMUP_S + SECONDS + 1.0
    spans = harm(rng, total)
    # Working time by real time: it stands still in the spans.
    knots = np.concatenate(([0.0], spans.ravel(), [total * 2]))
    runs = np.diff(knots)
    runs[1::2] = 0.0
    work = np.concatenate(([0.0], np.cumsum(runs)))
    if server.open_loop:
        arrivals = np.sort(rng.uniform(0, total, rng.poisson(server.rate_rps * total)))
        _, done = server.serve(rng, np.interp(arrivals, knots, work), total)
        due = arrivals
    else:
        due, done = server.serve(rng, None, total)
        due = _real(due, knots, work)
    done = _real(done, knots, work)
    kept = due < total
    edges = np.arange(0, total + 0.05, 0.1) + rng.uniform(0, 0.1) - 0.1
    frozen = np.diff(np.interp(edges, knots, knots - work)) / np.diff(edges)
    open_count = np.searchsorted(np.sort(due), edges[1:]) - np.searchsorted(np.sort(done), edges[1:])
    # Own threads wait for each other the more, the more is open; strangers run without harm in places, too.
    waited = frozen + 0.05 * np.minimum(open_count, 20) / 20
    foreign = frozen + 0.01 * np.abs(rng.standard_normal(frozen.size))
    none = np.zeros(frozen.size, dtype=bool)
    stretches = Stretches((edges * S).astype(np.int64), foreign, waited, np.full(frozen.size, np.nan), none, none)
    window = (int(WARMUP_S * S), int((WARMUP_S + SECONDS) * S))
    return Trial(
        (due[kept] * S).astype(np.int64), (done[kept] * S).astype(np.int64), stretches, window, server.open_loop
    )


def _real(instants, knots, work):
    # np.interp takes the last of equal knots: what ends as a freeze begins has not waited for it, within 1 ns.
    return np.interp(instants, work + np.arange(work.size) * 1e-12, knots)


def figures(trial: Trial, clean: UsableTime | None, true: np.ndarray | None = None) -> np.ndarray:
    """p50 and p99 in ms and the rate; with `true`, also whether each 95 % interval holds it (NaN: none)."""
    start, end = trial.window_ns
    inside = (trial.due_ns >= start) & (trial.due_ns < end)
    done_ns = trial.done_ns[(trial.done_ns >= start) & (trial.done_ns < end)]
    joined_ns, seconds, sustained = done_ns - start, (end - start) / S, 1.0
    if clean is not None:
        inside = clean.holds_due(trial.due_ns)
        joined_ns, seconds = clean.joined_ns(done_ns[clean.holds(done_ns)]), clean.seconds
        sustained = 1 - clean.worked_off / max(1, joined_ns.size)
    response = (trial.done_ns - trial.due_ns)[inside][np.argsort(trial.due_ns[inside], kind="stable")]
    if response.size < 100:
        return np.full(3 if true is None else 6, np.nan)
    ordered = np.sort(response)
    values = [*(quantile(ordered, p) / 1e6 for p in (0.5, 0.99)), joined_ns.size / seconds * sustained]
    if true is None:
        return np.array(values)
    durations = [Durations(response, np.zeros(response.size, dtype=bool))]
    intervals = percentiles(durations, (0.5, 0.99), NO_RUN_NOISE)
    covers = [_holds(one.low, one.high, what * 1e6) for one, what in zip(intervals, true, strict=False)]
    rates = pooled_rate([sustained * batch_rates(np.sort(joined_ns), 0, int(seconds * S))], NO_RUN_NOISE)
    return np.array([*values, *covers, _holds(rates.low, rates.high, true[2])])


def _holds(low: float | None, high: float | None, true: float) -> float:
    return np.nan if low is None or high is None else float(low <= true <= high)


def truth(server: Server, trials: int = 200) -> np.ndarray:
    """Over many quiet trials put together."""
    responses, rates = [], []
    for seed in range(trials):
        quiet = trial(server, HARMS["none"], 10_000 + seed)
        inside = (quiet.due_ns >= quiet.window_ns[0]) & (quiet.due_ns < quiet.window_ns[1])
        responses.append((quiet.done_ns - quiet.due_ns)[inside])
        rates.append(figures(quiet, None)[2])
    p50, p99 = np.quantile(np.concatenate(responses), [0.5, 0.99])
    return np.array([p50 / 1e6, p99 / 1e6, np.mean(rates)])


def main(trials: int = 100) -> None:
    print("| server | harm | usable (trials) | all: p50, p99, rate | covers | left: p50, p99, rate | covers |")
    print("|---|---|---|---|---|---|---|")
    for server in SERVERS:
        true = truth(server)
        for name, harm in HARMS.items():
            every, left, shares = [], [], []
            for seed in range(trials):
                one = trial(server, harm, seed)
                clean = one.clean()
                shares.append(clean.usable_share)
                every.append(figures(one, None, true))
                if clean.enough:
                    left.append(figures(one, clean, true))
            usable = f"{np.mean(shares):.0%} ({len(left) / trials:.0%})"
            print(f"| {server.name} | {name} | {usable} | {_cells(every, true)} | {_cells(left, true)} |", flush=True)


def _cells(rows: list[np.ndarray], true: np.ndarray) -> str:
    """Mean errors in percent with their own uncertainty, then coverage where an interval was given."""
    if len(rows) < 5:
        return "- | -"
    table = np.array(rows)
    off = (table[:, :3] / true - 1) * 100
    mean, half = off.mean(0), 1.96 * off.std(0) / np.sqrt(len(rows))
    covers = [f"{np.nanmean(column):.0%}" if np.isfinite(column).any() else "-" for column in table[:, 3:].T]
    return f"{', '.join(f'{m:+.1f}±{h:.1f}' for m, h in zip(mean, half, strict=True))} | {' '.join(covers)}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
