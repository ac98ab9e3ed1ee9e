"""How often published intervals hold the truth, and decisions about a limit are right, over repeats that differ.

    python -m tests.benchmarks.bench_coverage_of_decisions [coverage|limits|sweeps] [--sweeps 40] [--seed 2026]

coverage: a sweep is simulated as one point of each of eleven processes whose truth is known, run some times for 2 s,
each run at a speed that is off by a log-normal run noise. The run noise is estimated from the sweep, as the product
does. How often does each published interval hold the truth, and how often does a percentile have one on both sides?

limits: what is decided about p99 in such sweeps, at limits around the true one.

sweeps: the same for points as a default sweep has them (a batch server at four batch sizes and four numbers of users,
with and without freezes; queues at sixteen rates), at one limit of 50 ms for all. Beside it what counting decides,
without trial noise, where it is known how many slow responses come in a row.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.signal import lfilter
from scipy.stats import poisson

from harness.judge.stats.durations import Durations
from harness.judge.stats.limit_decision import LimitDecision, decide_limit
from harness.judge.stats.percentile_intervals import percentiles, share_within
from harness.judge.stats.trial_noise import TrialNoise, log_duration, log_rate, pooled_rate, trial_noise

SECONDS = 2.0
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Trial:
    """One run's requests in order of arrival, from the beginning of its warm-up, in seconds."""

    arrived_s: np.ndarray
    took_s: np.ndarray

    @property
    def measured_s(self):
        """Durations of the requests that arrive in the measured window."""
        since = self.arrived_s - WARM_UP_SECONDS
        return self.took_s[(since >= 0) & (since < SECONDS)]

    def rates(self, limit_s=math.inf):
        """Responses per second in 20 equal stretches of the window, of those within the limit."""
        done_s = (self.arrived_s + self.took_s)[self.took_s <= limit_s] - WARM_UP_SECONDS
        return np.histogram(done_s, 20, (0, SECONDS))[0] * (20 / SECONDS)


def _trial(arrived_s, took_s):
    order = np.argsort(arrived_s, kind="stable")
    return Trial(arrived_s[order], took_s[order])


ALL_SECONDS = WARM_UP_SECONDS + SECONDS


def _users(rng, users, draw):
    """A closed loop of independent users: `draw(rng, shape)` in seconds."""
    took = draw(rng, (users, math.ceil(2.2 * ALL_SECONDS / float(draw(rng, 1000).mean())) + 20))
    began = np.cumsum(took, axis=1) - took
    return _trial(began.ravel(), took.ravel())


def log_normal(rng):
    """16 users, 5 ms, independent."""
    return _users(rng, 16, lambda rng, n: 0.005 * rng.lognormal(0, 0.5, n))


def bimodal(rng):
    """16 users, 4 ms or, for one request in 20, 20 ms."""
    return _users(rng, 16, lambda rng, n: np.where(rng.random(n) < 0.05, 0.02, 0.004) * rng.lognormal(0, 0.1, n))


def trend(rng):
    """16 users, 5 ms, 20 % slower at the end of the window than at its beginning."""
    base = log_normal(rng)
    progress = (base.arrived_s - WARM_UP_SECONDS) / SECONDS
    return Trial(base.arrived_s * (0.9 + 0.1 * progress), base.took_s * (0.9 + 0.2 * progress))


def _batches(rng, service_s):
    """16 users in one batch after another: every member's response time is that of its batch, but for 20 µs."""
    began = np.cumsum(service_s) - service_s
    took = np.repeat(service_s, 16) + rng.exponential(20e-6, service_s.size * 16)
    return _trial(np.repeat(began, 16), took)


def _batch_services(rng):
    return 0.005 * rng.lognormal(0, 0.1, int(2 * ALL_SECONDS / 0.005))


def batch_16(rng):
    """Batches of 16, 5 ms each, 10 % apart."""
    return _batches(rng, _batch_services(rng))


def batch_16_wandering(rng):
    """The same at a speed that wanders by 10 % with a memory of 0.3 s."""
    services = _batch_services(rng)
    keep = math.exp(-0.005 / 0.3)
    speed = lfilter([math.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal(services.size + 500))[500:]
    return _batches(rng, services * np.exp(0.1 * speed))


def batch_16_freezes(rng):
    """The same, frozen once a second for 20 to 60 ms."""
    services = _batch_services(rng)
    frozen = rng.random(services.size) < services
    return _batches(rng, services + frozen * rng.uniform(0.02, 0.06, services.size))


def _arrivals(rng, rate):
    return np.cumsum(rng.exponential(1 / rate, int(1.3 * rate * ALL_SECONDS) + 50))


def pareto(rng):
    """Open loop, 2 000 requests/s, Pareto of shape 1.5 from 2 ms on, independent."""
    arrived = _arrivals(rng, 2000)
    return _trial(arrived, 0.002 * (1 + rng.pareto(1.5, arrived.size)))


def _stalls(rng, every_s, lasts_s):
    arrived = _arrivals(rng, 2000)
    since = (arrived + rng.uniform(0, every_s)) % every_s
    took = 0.003 * rng.lognormal(0, 0.3, arrived.size)
    return _trial(arrived, took + np.maximum(0.0, lasts_s - since))


def stalls_40_ms(rng):
    """Open loop, 2 000 requests/s, about 3 ms, and 40 ms of standstill each second."""
    return _stalls(rng, 1.0, 0.04)


def stalls_200_ms(rng):
    """The same with 200 ms each 5 s: most runs of 2 s see none."""
    return _stalls(rng, 5.0, 0.2)


def mm1(rng, rho=0.7, service_s=0.001):
    """M/M/1 at utilisation 0.7, service 1 ms."""
    return _queue(rng, rho, rng.exponential(service_s, int(1.3 * rho / service_s * ALL_SECONDS) + 50), service_s)


def md1(rng, rho=0.7, service_s=0.001):
    """M/D/1 at utilisation 0.7, service 1 ms."""
    return _queue(rng, rho, np.full(int(1.3 * rho / service_s * ALL_SECONDS) + 50, service_s), service_s)


def _queue(rng, rho, services, mean_s):
    arrived = np.cumsum(rng.exponential(mean_s / rho, services.size))
    free = np.cumsum(services)
    started = np.maximum.accumulate(arrived - (free - services)) + free - services
    return _trial(arrived, started + services - arrived)


def two_states(rng):
    """Open loop, 1 000 requests/s, 4 or 12 ms by a state that changes every 0.25 s on average."""
    arrived = _arrivals(rng, 1000)
    changes = np.cumsum(rng.exponential(0.25, 200))
    slow = (np.searchsorted(changes, arrived) + rng.integers(2)) % 2
    return _trial(arrived, np.where(slow, 0.012, 0.004) * rng.lognormal(0, 0.1, arrived.size))


CLOSED = (log_normal, bimodal, batch_16, batch_16_wandering, batch_16_freezes, trend)
OPEN = (pareto, stalls_40_ms, mm1, two_states, stalls_200_ms)
PROCESSES = CLOSED + OPEN
RARE = stalls_200_ms  # nothing helps against what was not seen: shown, but not in the means

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
LIBRARY = 200  # base runs of each process; a simulated run is one of them at another speed


@dataclass(frozen=True, eq=False)
class Process:
    """A library of runs at the typical speed, and the truth about them."""

    name: str
    users: int | None
    runs_s: list[np.ndarray]
    rates: list[np.ndarray]
    ordered_s: np.ndarray
    trials: list[Trial]

    @classmethod
    def of(cls, simulate, rng):
        trials = [simulate(rng) for _ in range(LIBRARY)]
        runs = [trial.measured_s for trial in trials]
        return cls(
            simulate.__name__,
            16 if simulate in CLOSED else None,
            runs,
            [trial.rates() for trial in trials],
            np.sort(np.concatenate(runs)),
            trials,
        )

    @cached_property
    def limit_s(self):
        """The limit of its goodput."""
        return self.percentile(0.9)

    def percentile(self, p):
        return float(self.ordered_s[math.ceil(self.ordered_s.size * p) - 1])

    @cached_property
    def rate(self):
        return float(np.mean(self.rates))

    @cached_property
    def good_rate(self):
        return float(np.mean([trial.rates(self.limit_s) for trial in self.trials]))


@dataclass(frozen=True)
class Run:
    """One simulated run: a run of the library, `slower` times as slow; `partner`: the same of another setting's run."""

    process: Process
    index: int
    slower: float
    partner: float = 1.0

    @property
    def durations(self):
        values = self.process.runs_s[self.index] * self.slower * 1e9
        return Durations(values, np.zeros(values.size, dtype=bool))

    @property
    def rates(self):
        return self.process.rates[self.index] / self.slower

    @property
    def good_rates(self):
        return self.process.trials[self.index].rates(self.process.limit_s / self.slower) / self.slower


def sweep_of(processes, rng, repeats, sigma):
    """A sweep of one point of each process."""
    return [
        [Run(process, int(rng.integers(LIBRARY)), *np.exp(sigma * rng.standard_normal(2))) for _ in range(repeats)]
        for process in processes
    ]


@dataclass(frozen=True)
class Noises:
    """What a sweep tells of its run noise."""

    rate: TrialNoise
    duration: TrialNoise

    @classmethod
    def of(cls, sweep):
        return cls(
            trial_noise([[log_rate(run.rates) for run in runs] for runs in sweep]),
            trial_noise([[log_duration(run.durations.values_ns) for run in runs] for runs in sweep]),
        )


FIGURES = ("throughput", "goodput", "speed-up", *(f"p{100 * p:g}" for p in PERCENTILES))


def published(runs, noises):
    """(figure, low, high, truth) of one point; high is infinite where there is only a bound from below."""
    process = runs[0].process
    rate = pooled_rate([run.rates for run in runs], noises.rate)
    yield "throughput", *rate.ends, process.rate
    # The same process, 1.2 times as fast by construction, in runs of its own, would have an interval like this one.
    yield "speed-up", *_speed_up(runs, noises, rate)
    limit = process.limit_s * 1e9
    shift = math.exp(noises.duration.half_width(len(runs)))
    durations = [run.durations for run in runs]
    at, slower, faster = share_within(durations, (limit, limit / shift, limit * shift), noises.duration)
    good = pooled_rate(
        [run.good_rates for run in runs],
        noises.rate,
        share_if_slower=slower / at if at else 1.0,
        share_if_faster=faster / at if at else 1.0,
    )
    yield "goodput", *good.ends, process.good_rate
    for each in percentiles(durations, PERCENTILES, noises.duration):
        high = math.inf if each.high is None else each.high
        yield f"p{100 * each.p:g}", each.low, high, process.percentile(each.p) * 1e9


def _speed_up(runs, noises, base):
    """(low, high, truth) of the throughput of the next runs of the library, made 1.2 times as fast, over these."""
    others = [Run(run.process, (run.index + 7) % LIBRARY, run.partner / 1.2) for run in runs]
    other = pooled_rate([run.rates for run in others], noises.rate)
    ratio = other.value / base.value
    below = math.hypot(math.log(other.value / other.low), math.log(base.high / base.value))
    above = math.hypot(math.log(other.high / other.value), math.log(base.value / base.low))
    return ratio * math.exp(-below), ratio * math.exp(above), 1.2


@dataclass
class Tally:
    """How often a figure's interval held the truth, and how often it had two sides."""

    held: list[bool]
    two_sided: list[bool]
    widths: list[float]

    def __str__(self):
        width = f"{np.median(self.widths):.0%}" if self.widths else "-"
        return f"{np.mean(self.held):.0%} ({np.mean(self.two_sided):.0%}, {width})"


def coverage(processes, rng, sweeps):
    """The table of coverage."""
    print("Covers (has an upper bound, width where it has one):\n")
    print(f"| repeats | run noise | process | {' | '.join(FIGURES)} |\n|{'---|' * (3 + len(FIGURES))}")
    for repeats in (1, 2, 3, 5):
        for sigma in (0.0, 0.03, 0.05, 0.10):
            tallies = {(process, figure): Tally([], [], []) for process in processes for figure in FIGURES}
            for _ in range(sweeps):
                sweep = sweep_of(processes, rng, repeats, sigma)
                noises = Noises.of(sweep)
                for runs in sweep:
                    for figure, low, high, truth in published(runs, noises):
                        tally = tallies[runs[0].process, figure]
                        tally.held.append(low <= truth <= high)
                        tally.two_sided.append(high < math.inf)
                        if high < math.inf:
                            tally.widths.append((high - low) / truth)
            _print_coverage(f"| {repeats} | {sigma:.0%} ", processes, tallies)


def _print_coverage(head, processes, tallies):
    for process in processes:
        print(f"{head}| {process.name} | {' | '.join(str(tallies[process, figure]) for figure in FIGURES)} |")
    usual = [process for process in processes if process.name != RARE.__name__]
    means = []
    for figure in FIGURES:
        held = [float(np.mean(tallies[process, figure].held)) for process in usual]
        means.append(f"{np.mean(held):.1%} (worst {min(held):.0%})")
    print(f"{head}| **mean without {RARE.__name__}** | {' | '.join(means)} |", flush=True)


RATIOS = (0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0)


def limits(processes, rng, sweeps):
    """The table of what is decided at limits around the true p99."""
    processes = [process for process in processes if process.name != RARE.__name__]
    print("\nkept / missed / not yet by limit / true p99; below 1 `kept` is wrong, above 1 `missed`\n")
    print(f"| repeats | run noise | {' | '.join(f'{ratio:g}' for ratio in RATIOS)} |\n|{'---|' * (2 + len(RATIOS))}")
    for repeats in (1, 2, 3):
        for sigma in (0.0, 0.05, 0.10):
            found = {ratio: [] for ratio in RATIOS}
            for _ in range(sweeps):
                sweep = sweep_of(processes, rng, repeats, sigma)
                noise = Noises.of(sweep).duration
                for runs in sweep:
                    durations = [run.durations for run in runs]
                    process = runs[0].process
                    for ratio in RATIOS:
                        limit = ratio * process.percentile(0.99) * 1e9
                        found[ratio].append(decide_limit(durations, limit, 0.01, process.users, noise).decision)
            cells = " | ".join(_shares(found[ratio]) for ratio in RATIOS)
            print(f"| {repeats} | {sigma:.0%} | {cells} |", flush=True)


def _shares(decisions):
    counts = [decisions.count(each) / len(decisions) for each in LimitDecision]
    return " / ".join(f"{count:.0%}" for count in counts)


def _batch_server(batch, users, freezes_per_s):
    """Simulates a closed loop of `users` at a server of batches: 0.9 ms and 0.05 ms for each of `batch`, 10 % apart."""
    size = min(batch, users)
    waiting = math.ceil(users / size)  # batches that a request waits through, its own included

    def simulate(rng):
        mean_s = (0.9 + 0.05 * size) / 1e3
        services = mean_s * rng.lognormal(0, 0.1, int(1.6 * ALL_SECONDS / mean_s) + waiting)
        frozen = rng.random(services.size) < services * freezes_per_s
        services += frozen * rng.uniform(0.02, 0.06, services.size)
        ended = np.cumsum(services)
        took = np.convolve(services, np.ones(waiting), "valid")
        ended = ended[waiting - 1 :]
        return _trial(np.repeat(ended - took, size), np.repeat(took, size))

    return simulate


def default_sweeps():
    """(name, [(simulate, users)]) of sweeps of sixteen points."""
    grid = [(batch, users) for batch in (1, 4, 16, 64) for users in (16, 32, 64, 128)]
    for freezes in (0.0, 0.1, 1.0):
        yield f"batch server, {freezes:g} freezes/s", [(_batch_server(*each, freezes), each[1]) for each in grid]
    rates = np.linspace(0.1, 0.9, 16)
    yield "M/M/1, 1 ms", [(partial(mm1, rho=rho), None) for rho in rates]
    yield "M/D/1, 1 ms", [(partial(md1, rho=rho), None) for rho in rates]
    yield (
        "Pareto 1.5 from 0.2 to 20 ms on",
        [(partial(_pareto_from, from_s=each), None) for each in np.geomspace(0.0002, 0.02, 16)],
    )


def _pareto_from(rng, from_s):
    arrived = _arrivals(rng, 2000)
    return _trial(arrived, from_s * (1 + rng.pareto(1.5, arrived.size)))


def decided_sweeps(rng, sweeps, limit_ms=50.0):
    """The table of what is decided about p99 < 50 ms in default sweeps: 2 s x 2."""
    print("\np99 < 50 ms over sweeps of sixteen points, 2 s x 2 repeats\n")
    print("| sweep | run noise | right | wrong | not yet | can be right | closest undecided: p99 / limit |")
    print("|---|---|---|---|---|---|---|")
    for name, points in default_sweeps():
        libraries = [[simulate(rng).measured_s for _ in range(40)] for simulate, _ in points]
        truths = [float(np.mean(np.concatenate(library) > limit_ms / 1e3)) > 0.01 for library in libraries]
        possible = np.mean([decidable(library, limit_ms / 1e3) for library in libraries])
        p99s = [float(np.quantile(np.concatenate(library), 0.99)) * 1e3 / limit_ms for library in libraries]
        for sigma in (0.0, 0.05, 0.10):
            outcomes = {"right": 0, "wrong": 0, "not yet": 0}
            undecided = np.zeros(len(points))
            for _ in range(sweeps):
                sweep = [
                    [
                        _durations(library[rng.integers(len(library))] * math.exp(sigma * rng.standard_normal()))
                        for _ in range(2)
                    ]
                    for library in libraries
                ]
                noise = trial_noise([[log_duration(run.values_ns) for run in runs] for runs in sweep])
                for number, (runs, (_, users), missed) in enumerate(zip(sweep, points, truths, strict=True)):
                    said = decide_limit(runs, limit_ms * 1e6, 0.01, users, noise).decision
                    right = LimitDecision.MISSED if missed else LimitDecision.KEPT
                    undecided[number] += said is LimitDecision.NOT_YET
                    outcomes["not yet" if said is LimitDecision.NOT_YET else "right" if said is right else "wrong"] += 1
            cells = " | ".join(f"{count / sweeps / len(points):.1%}" for count in outcomes.values())
            which = ", ".join(f"{p99s[i]:.2g} ({undecided[i] / sweeps:.0%})" for i in np.argsort(-undecided)[:4])
            print(f"| {name} | {sigma:.0%} | {cells} | {possible:.1%} | {which} |", flush=True)


def decidable(library, limit_s, runs=2, error=0.025):
    """The probability that counting decides whether p99 keeps the limit, from so many runs, wrong in `error` at most.

    Slow responses come in rows, of which each run sees a number by chance (Poisson). Whoever knows how many responses a
    row has needs only the number of rows to tell how many are slow, and a one-sided test of it is the most powerful
    one (Neyman and Pearson, 1933; Lehmann, *Testing Statistical Hypotheses*, 3.4). What it does not use is how far the
    other responses stay below the limit.
    """
    slow = [run > limit_s for run in library]
    share = float(np.mean(np.concatenate(slow)))
    rows = sum(int(each[0]) + int((np.diff(each.astype(int)) > 0).sum()) for each in slow) * runs / len(library)
    if not 0.0 < share < 0.5:
        return 1.0
    seen = np.arange(int(rows + 12.0 * math.sqrt(rows) + 20.0))
    border = poisson(rows * 0.01 / share)  # what would be seen if p99 were the limit
    says_kept, says_missed = border.cdf(seen) <= error, border.sf(seen - 1) <= error
    return float(poisson(rows).pmf(seen[says_missed if share > 0.01 else says_kept]).sum())


def _durations(values_s):
    return Durations(values_s * 1e9, np.zeros(values_s.size, dtype=bool))


def main(arguments=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=["coverage", "limits", "sweeps"])
    parser.add_argument("--sweeps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2026)
    asked = parser.parse_args(arguments)
    rng = np.random.default_rng(asked.seed)
    processes = [Process.of(simulate, rng) for simulate in PROCESSES]
    if "coverage" in asked.tables:
        coverage(processes, rng, asked.sweeps)
    if "limits" in asked.tables:
        limits(processes, rng, asked.sweeps)
    if "sweeps" in asked.tables:
        decided_sweeps(rng, asked.sweeps)


if __name__ == "__main__":
    main()
