"""Compares first requests with later ones: the first of all, of each connection, and with each payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.numbers.machine.backlog import in_order
from harness.judge.stats.distinct_values import is_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.int64]

CACHED_RATIO = 4.0
FIRST_RATIO = 10.0
FIRST_NS = 20_000_000  # a connection takes that long to be made on a busy machine
COLD_NS = 200_000_000  # a busy machine holds up a single request for less
AS_SLOW = 0.001  # at most this share of the later requests may take as long as the first
FEWEST_FIRSTS = 20
NEIGHBOURS = 100  # requests that came at the same time
FEWEST_REPEATS = 5
NEXT_REPEATS = 20
AS_FAST = 2.0  # times as long as repeats: a first request that takes less did not wait for what a cache saves
FAST_FIRSTS = 0.1  # with a cache at most this share of the first requests is as fast as repeats
LEAST_SPAN = 2.0  # of first requests, in their median time: those due evenly within one hold-up take half of it


@dataclass(frozen=True, slots=True)
class Firsts:
    """Median times (ns) of `count` first requests and of the others. ratio: of first ones to others near in time."""

    count: int
    first_ns: float
    other_ns: float
    ratio: float


def unseen_payloads(payload: Column, due_ns: Column, service_ns: Column) -> Firsts | None:
    """Payloads at their first request against repeated ones (n,) of the whole trial, warm-up included.

    Each first request is compared with repeats that were due at about the same time: a server that is slow while it
    warms up is slow for both. The very first requests have no repeats near them and do not count. None where fewer
    than `FEWEST_FIRSTS` can be compared, where one hold-up of the server may have made all of them slow, or where a
    server that warmed up, or was held up now and then, was slow for most and not for all: a cache lacks every new one.
    """
    due_ns, payload, service_ns = in_order(due_ns, payload, service_ns)
    first = is_first(payload)
    starts = np.arange(NEIGHBOURS, payload.size, NEIGHBOURS // 2)  # overlapping: all first ones may come in a row
    before = np.concatenate(([0], np.cumsum(first)))
    starts = starts[before[np.minimum(starts + NEIGHBOURS, payload.size)] > before[starts]]  # with a first one
    ratios, repeats_ns, dues_ns = [], [], []
    for start in starts:
        group = slice(start, start + NEIGHBOURS)
        repeated = service_ns[group][~first[group]]
        if first[group][: -repeated.size].all():  # payloads come in turns: what is next to the first ones counts
            repeated = repeated[:NEXT_REPEATS]
        if repeated.size >= FEWEST_REPEATS:
            usual_ns = float(np.median(repeated))
            repeats_ns.append(usual_ns)
            ratios.append(service_ns[group][first[group]] / max(usual_ns, 1.0))
            dues_ns.append(due_ns[group][first[group]])
    if sum(each.size for each in ratios) < FEWEST_FIRSTS:
        return None
    together = np.concatenate(ratios)
    other_ns, ratio = float(np.median(repeats_ns)), float(np.median(together))
    if np.ptp(np.concatenate(dues_ns)) < LEAST_SPAN * ratio * other_ns:
        return None
    if ratio > AS_FAST > float(np.quantile(together, FAST_FIRSTS)):
        return None
    return Firsts(together.size, ratio * other_ns, other_ns, ratio)


def first_of_connections(user: Column, sent_ns: Column, service_ns: Column) -> Firsts | None:
    """Each user's first request with a response (n,) against all later ones; None where either lacks.

    A user of a closed loop has a connection of its own.
    """
    _, user, service_ns = in_order(sent_ns, user, service_ns)
    first = is_first(user)
    if not first.any() or first.all():
        return None
    first_ns, other_ns = float(np.median(service_ns[first])), float(np.median(service_ns[~first]))
    return Firsts(int(first.sum()), first_ns, other_ns, first_ns / max(other_ns, 1.0))


def first_of_trial(
    sent_ns: Column, done_ns: Column, good: NDArray[np.bool_], asked_ns: int | None = None
) -> Firsts | None:
    """How long the very first good response took, against later requests; `good` (n,) marks the good responses.

    It counts from when the first request was sent: a server that loads or compiles something for it makes all that are
    sent meanwhile wait, or fails them. Later ones are those sent after it. `asked_ns`: how long one took that was sent
    before all of these. None where later ones take as long now and then.
    """
    if not good.any():
        return None
    ready_ns = int(done_ns[good].min())
    waited_ns = max(ready_ns - int(sent_ns.min()), asked_ns or 0)
    later = good & (sent_ns >= ready_ns)
    took_ns = (done_ns - sent_ns)[later]
    if not took_ns.size or np.count_nonzero(took_ns >= waited_ns) > AS_SLOW * took_ns.size:
        return None
    usual_ns = float(np.median(took_ns))
    return Firsts(1, float(waited_ns), usual_ns, waited_ns / max(usual_ns, 1.0))
