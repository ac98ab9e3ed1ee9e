"""The true figures of an exercise, from the `fixed` server's own log and the schedule of arrivals, never from rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.stats.quantiles import quantile
from harness.plan.arrivals import OpenProcess
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.calibration.claims import Values
    from harness.plan.arrivals import Arrivals
    from harness.record.rows import Window

    Instants = NDArray[np.int64]

OK, WRONG = "ok", "wrong"


@dataclass(frozen=True)
class ServerLog:
    """Every request a server got, in the order of arrival: instants (n,) and outcomes (n,)."""

    arrived_ns: Instants
    answered_ns: Instants  # ABSENT: never, or its connection was broken
    outcomes: NDArray[np.str_]

    @classmethod
    def read(cls, path: Path) -> ServerLog:
        """Read the CSV that the server wrote."""
        with path.open(newline="") as text:
            lines = [
                (line["arrived_ns"], line["answered_ns"] or ABSENT, line["outcome"]) for line in csv.DictReader(text)
            ]
        arrived_ns = np.array([int(arrived) for arrived, _, _ in lines], dtype=np.int64)
        answered_ns = np.array([int(answered) for _, answered, _ in lines], dtype=np.int64)
        order = np.argsort(arrived_ns, kind="stable")
        return cls(
            arrived_ns[order], answered_ns[order], np.array([outcome for _, _, outcome in lines], dtype=str)[order]
        )

    def __len__(self) -> int:
        return self.arrived_ns.size


@dataclass(frozen=True, slots=True)
class Driven:
    """How a server was driven: by which arrivals and seed, from which instant on, and which window was measured."""

    arrivals: Arrivals
    seed: int
    origin_ns: int
    window: Window


def due_times_ns(driven: Driven, count: int) -> Instants:
    """The first `count` due times (count,) of an open loop; fewer where the window ends before."""
    assert isinstance(driven.arrivals, OpenProcess), "a closed loop has no schedule"  # noqa: S101  (ours)
    blocks: list[Instants] = []
    for offsets in driven.arrivals.schedule(driven.seed):
        blocks.append(offsets)
        if sum(map(len, blocks)) >= count:
            break
    due_ns: Instants = driven.origin_ns + np.concatenate(blocks)[:count]
    return due_ns[due_ns < driven.window.end_ns]


def lateness_ns(log: ServerLog, driven: Driven) -> Instants:
    """Arrival at the server - due time (n,), request by request: sending and the way there."""
    due_ns = due_times_ns(driven, len(log))
    return log.arrived_ns[: due_ns.size] - due_ns


def true_values(log: ServerLog, driven: Driven) -> Values:
    """The figures that a report on this window should give.

    Open loop: the k-th arrival is the k-th of the schedule, and its response time counts from when it was due. In a
    closed loop a request is due when it is sent, so that its arrival is the nearest that the server knows.
    """
    count = len(log)
    due_ns = log.arrived_ns
    if isinstance(driven.arrivals, OpenProcess):
        due_ns = due_times_ns(driven, count)
        count = due_ns.size
    inside = driven.window.holds(due_ns)
    answered_ns, outcomes = log.answered_ns[:count][inside], log.outcomes[:count][inside]
    good = (outcomes == OK) & (answered_ns != ABSENT)
    good_ns = np.sort(answered_ns[good] - due_ns[inside][good])
    completed = (log.outcomes == OK) & driven.window.holds(log.answered_ns)
    values: Values = {
        "rows": float(len(log)),
        "throughput_rps": float(np.count_nonzero(completed)) / driven.window.seconds,
        **_shares(outcomes),
    }
    return values | durations_ms(good_ns)


def closed_values(log: ServerLog, seconds: float) -> Values:
    """The figures that a generator should give which drove the server for `seconds` in a closed loop and tells no more.

    Its window begins when its first request arrives, and holds all of its requests.
    """
    if not len(log):
        return {}
    good = (log.outcomes == OK) & (log.answered_ns != ABSENT)
    end_ns = int(log.arrived_ns[0]) + round(seconds * NS_PER_S)
    values: Values = {
        "rows": float(len(log)),
        "throughput_rps": float(np.count_nonzero(good & (log.answered_ns < end_ns))) / seconds,
        **_shares(log.outcomes),
    }
    return values | durations_ms(np.sort(log.answered_ns[good] - log.arrived_ns[good]))


def _shares(outcomes: NDArray[np.str_]) -> Values:
    if not outcomes.size:
        return {}
    return {
        "failed_share": float(np.mean(~np.isin(outcomes, (OK, WRONG)))),
        "wrong_share": float(np.mean(outcomes == WRONG)),
    }


def durations_ms(ordered_ns: Instants) -> Values:
    """p50, p99 and maximum of durations (n,), ascending."""
    if not ordered_ns.size:
        return {}
    return {
        "p50_ms": quantile(ordered_ns, 0.5) / NS_PER_MS,
        "p99_ms": quantile(ordered_ns, 0.99) / NS_PER_MS,
        "max_ms": float(ordered_ns[-1]) / NS_PER_MS,
    }


def origin_ns(measure_start_ns: int, warmup_seconds: float) -> int:
    """When the schedule began: a warm-up before the measured window."""
    return measure_start_ns - round(warmup_seconds * NS_PER_S)
