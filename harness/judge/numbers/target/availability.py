"""When a target did not serve: it sent nothing while requests were open, or only refusals and failures.

A closed loop hides such times: users who wait send nothing, so that a freeze of two seconds is a handful of slow
answers among thousands. Counted in time instead of requests it is what it is to a user who comes at any moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Instants = NDArray[np.int64]
    Mask = NDArray[np.bool_]

SILENT_NS = 250_000_000
SILENT_MEDIANS = 50
FAILURES_IN_A_ROW = 10
FEWEST_IN_A_ROW = 3
CHANCE = 1e-6  # that so many in a row are no outage but chance
FAILING_NS = 50_000_000
FAILING_MEDIANS = 10
_NEVER = np.iinfo(np.int64).max


class OutageKind(StrEnum):
    """What the target did instead of serving."""

    SILENT = "silent"
    REFUSING = "refusing"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class OutageSpan:
    """A span within the window in which nothing good came. `requests`: those that waited, or that were turned away."""

    kind: OutageKind
    start_ns: int
    end_ns: int
    requests: int


@dataclass(frozen=True, slots=True)
class Exchanges:
    """What became of all requests that were sent, of every phase: columns (n,).

    done_ns: when the response was complete or the request was given up; past the last instant where it never ended.
    answered: a response came, whatever it said. good: it was a good one. rejected: it was a refusal.
    """

    sent_ns: Instants
    done_ns: Instants
    answered: Mask
    good: Mask
    rejected: Mask


@dataclass(frozen=True, slots=True)
class Availability:
    """The outages of a window, in order and apart."""

    window_ns: tuple[int, int]
    outages: tuple[OutageSpan, ...]

    @property
    def share(self) -> float:
        """The share of the window in which the target served."""
        out_ns = sum(outage.end_ns - outage.start_ns for outage in self.outages)
        return 1.0 - out_ns / max(1, self.window_ns[1] - self.window_ns[0])

    def seconds(self, kind: OutageKind) -> float:
        """How long it was out in this way, in all."""
        return sum(outage.end_ns - outage.start_ns for outage in self.outages if outage.kind is kind) / 1e9

    def longest(self) -> OutageSpan | None:
        """The longest outage; None where there was none."""
        return max(self.outages, key=lambda outage: outage.end_ns - outage.start_ns, default=None)

    def slow_share(self, limit_ns: int) -> float:
        """The share of the window at which a user who came would have waited longer than `limit_ns`, or for nothing.

        Of a silence that is all but its last `limit_ns`; one that reaches the window's end may have lasted longer.
        """
        slow_ns = 0
        for outage in self.outages:
            over = outage.kind is OutageKind.SILENT and outage.end_ns < self.window_ns[1]
            slow_ns += max(0, outage.end_ns - outage.start_ns - (limit_ns if over else 0))
        return slow_ns / max(1, self.window_ns[1] - self.window_ns[0])


def availability(exchanges: Exchanges, window_ns: tuple[int, int]) -> Availability:
    """All outages within the window.

    Silent: no response for more than 250 ms and 50 median service times, though requests were open. A request that
    was sent much earlier and never answered does not count as open: it is lost, and others go on being served.
    Refusing or failing: at least ten refusals and failures one after the other, or as many as chance does not explain
    where failures are rare, none of them good, for more than 50 ms and 10 medians; up to the middle of the time in
    which no request came before the next good one, or to the end where none came.
    """
    service_ns = (exchanges.done_ns - exchanges.sent_ns)[exchanges.good]
    median_ns = float(np.median(service_ns)) if service_ns.size else 0.0
    silences = _silences(exchanges, window_ns, max(SILENT_NS, int(SILENT_MEDIANS * median_ns)))
    failures = _failures(exchanges, window_ns, max(FAILING_NS, int(FAILING_MEDIANS * median_ns)))
    return Availability(window_ns, tuple(_apart(sorted([*silences, *failures], key=lambda each: each.start_ns))))


def _silences(exchanges: Exchanges, window_ns: tuple[int, int], limit_ns: int) -> list[OutageSpan]:
    start_ns, end_ns = window_ns
    answered_ns = np.where(exchanges.answered, exchanges.done_ns, _NEVER)
    instants = answered_ns[answered_ns < end_ns]
    begun_ns = int(exchanges.sent_ns.min(initial=start_ns))
    if _without_gap(instants, (max(begun_ns, start_ns - limit_ns), end_ns), limit_ns // 2):
        return []
    instants.sort()
    first = max(0, int(np.searchsorted(instants, start_ns)) - 1)
    before_ns = np.concatenate(([min(begun_ns, start_ns)] if first == 0 else [instants[first]], instants[first:]))
    after_ns = np.concatenate((instants[first:], [end_ns]))
    outages = []
    for index in np.flatnonzero(after_ns - before_ns > limit_ns):
        last_ns, next_ns = int(before_ns[index]), int(after_ns[index])
        waiting = (exchanges.sent_ns >= last_ns - limit_ns) & (exchanges.sent_ns < next_ns) & (answered_ns >= next_ns)
        if not waiting.any():
            continue
        from_ns = max(last_ns, int(exchanges.sent_ns[waiting].min()))
        if next_ns - from_ns > limit_ns and next_ns > start_ns:
            kind = _kind(exchanges, waiting, next_ns, limit_ns)
            outages.append(OutageSpan(kind, max(from_ns, start_ns), next_ns, int(np.count_nonzero(waiting))))
    return outages


def _without_gap(instants: Instants, span_ns: tuple[int, int], step_ns: int) -> bool:
    """Whether an instant lies in each step of a span, so that no two neighbours are two steps apart.

    Instants are counted, at a tenth of the time of sorting them.
    """
    start_ns, end_ns = span_ns
    within = instants[instants >= start_ns]
    whole_steps = (end_ns - start_ns) // step_ns
    return bool(np.bincount((within - start_ns) // step_ns, minlength=whole_steps)[:whole_steps].all())


def _kind(exchanges: Exchanges, waiting: Mask, next_ns: int, limit_ns: int) -> OutageKind:
    """Failing where requests ended without a response soon and often, as those to a server that is gone."""
    ended = waiting & (exchanges.done_ns < next_ns)
    if np.count_nonzero(ended) < FAILURES_IN_A_ROW:
        return OutageKind.SILENT
    soon = float(np.median((exchanges.done_ns - exchanges.sent_ns)[ended])) < limit_ns
    return OutageKind.FAILING if soon else OutageKind.SILENT


def _failures(exchanges: Exchanges, window_ns: tuple[int, int], limit_ns: int) -> list[OutageSpan]:
    ended = (exchanges.done_ns >= window_ns[0]) & (exchanges.done_ns < window_ns[1])
    least = _fewest_in_a_row(int(np.count_nonzero(ended & ~exchanges.good)), int(np.count_nonzero(ended)))
    if least is None:
        return []
    order = np.flatnonzero(ended)[np.argsort(exchanges.done_ns[ended], kind="stable")]
    turns = np.diff(np.concatenate(([False], ~exchanges.good[order], [False])).astype(np.int8))
    outages = []
    for first, past in zip(np.flatnonzero(turns == 1), np.flatnonzero(turns == -1), strict=True):
        run = order[first:past]
        from_ns, until_ns = int(exchanges.done_ns[run[0]]), int(exchanges.done_ns[run[-1]])
        if past < order.size:  # nobody knows when the target served again while users waited before they came back
            until_ns += max(0, int(exchanges.sent_ns[order[past]]) - until_ns) // 2
        else:  # nothing good came any more, though users waited before they asked again
            until_ns = window_ns[1]
        if run.size < least or until_ns - from_ns <= limit_ns:
            continue
        refusing = np.count_nonzero(exchanges.rejected[run]) * 2 >= run.size
        kind = OutageKind.REFUSING if refusing else OutageKind.FAILING
        outages.append(OutageSpan(kind, from_ns, until_ns, int(run.size)))
    return outages


def _fewest_in_a_row(failures: int, ended: int) -> int | None:
    """How many failures in a row are an outage, of so many requests that ended; None where there are too few.

    A row of k in `ended` requests comes by chance with a probability of at most ended * share^k.
    """
    if failures < FEWEST_IN_A_ROW:
        return None
    if failures == ended:
        return FAILURES_IN_A_ROW
    by_chance = math.ceil(math.log(CHANCE / ended) / math.log(failures / ended))
    return min(FAILURES_IN_A_ROW, max(FEWEST_IN_A_ROW, by_chance))


def _apart(outages: list[OutageSpan]) -> list[OutageSpan]:
    """Each without what an earlier one covers already."""
    apart: list[OutageSpan] = []
    for outage in outages:
        from_ns = max(outage.start_ns, apart[-1].end_ns if apart else outage.start_ns)
        if outage.end_ns > from_ns:
            apart.append(OutageSpan(outage.kind, from_ns, outage.end_ns, outage.requests))
    return apart
