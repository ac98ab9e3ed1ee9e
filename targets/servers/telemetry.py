"""Counts requests, batches and durations of a server.

Counters are plain Python, updated once per batch where possible, and become Prometheus families only for `/metrics`:
updating the objects of the client library would cost several times as much per request.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from targets.servers.exposition import HISTOGRAMS, Buckets, CallCounts, Exposition, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from targets.servers.model_call import BatchResult
    from targets.servers.replica_counts import ReplicaCounts

BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SERVER_ERROR = 500
UNAVAILABLE = 503
EXPIRED = 504
OUTCOMES = {UNAVAILABLE: "rejected", EXPIRED: "expired"}


class PrometheusHistogram:
    """A histogram: counts per bucket (value <= bound), and the sum."""

    def __init__(self, bounds: Iterable[float], scale: float = 1.0) -> None:
        self._labels = [f"{bound:g}" for bound in bounds]
        self._bounds = [bound * scale for bound in bounds]
        self._counts = [0] * (len(self._bounds) + 1)
        self._scale = scale
        self.total = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Add `value` `count` times. Its unit is 1 / `scale` of the unit of the bounds (ns for bounds in s)."""
        self._counts[bisect_left(self._bounds, value)] += count
        self.total += value * count

    def observe_all(self, values: Iterable[float]) -> None:
        """Add each of `values`."""
        bounds, counts = self._bounds, self._counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            self.total += value

    def buckets(self) -> Buckets:
        """The buckets in the unit of the bounds."""
        return Buckets(bounds=self._labels, counts=list(self._counts), sum=self.total / self._scale)


@dataclass(slots=True)
class Calls:
    """The number and total time of the model calls of one batch size or one stage."""

    calls: int = 0
    compute_ns: int = 0


class Telemetry:
    """The counters of one server. Not thread-safe."""

    def __init__(
        self, queue_length: Callable[[], int] = lambda: 0, replica_counts: ReplicaCounts | None = None
    ) -> None:
        self.requests: Counter[str] = Counter({"ok": 0, "bad_request": 0, "rejected": 0, "expired": 0, "error": 0})
        self.batch_size = PrometheusHistogram(BATCH_BOUNDS)
        self.queue_ns = PrometheusHistogram(SECONDS_BOUNDS, NS_PER_S)
        self.compute_ns = PrometheusHistogram(SECONDS_BOUNDS, NS_PER_S)
        self.spent_ns = {"queue": 0, "compute_input": 0, "compute_infer": 0, "compute_output": 0}  # over requests
        self.batches: dict[int, Calls] = {}  # by rows
        self.stages: dict[int, Calls] = {}  # by the stage's number, from 1
        self.last_inference_ns = 0
        self._queue_length = queue_length
        self.replica_counts = replica_counts

    def count_batch(self, done: BatchResult, waits_ns: list[int]) -> None:
        """Count one batch; `waits_ns` are the queue times of its requests."""
        requests = len(waits_ns)
        self.requests["ok"] += requests
        self.batch_size.observe(done.rows)
        self.compute_ns.observe(done.compute_ns)
        self.queue_ns.observe_all(waits_ns)
        spent_ns = self.spent_ns
        spent_ns["queue"] += sum(waits_ns)
        spent_ns["compute_input"] += done.preprocess_ns * requests
        spent_ns["compute_infer"] += done.compute_ns * requests
        spent_ns["compute_output"] += done.serialise_ns * requests
        _count(self.batches, done.rows, done.compute_ns)
        for stage, stage_ns in enumerate(done.stages_ns, 1):
            _count(self.stages, stage, stage_ns)
        self.last_inference_ns = monotonic_ns()

    def count_error(self, status: int) -> None:
        """Count one error response."""
        self.requests[OUTCOMES.get(status, "error" if status >= SERVER_ERROR else "bad_request")] += 1

    def snapshot(self) -> Snapshot:
        """A copy of the counters."""
        histograms = (self.batch_size, self.queue_ns, self.compute_ns)
        return Snapshot(
            pid=os.getpid(),
            requests=dict(self.requests),
            queue_length=self._queue_length(),
            stages=_copied(self.stages),
            histograms={name: one.buckets() for name, one in zip(HISTOGRAMS, histograms, strict=True)},
            batches=_copied(self.batches),
            spent_ns=dict(self.spent_ns),
            last_inference_ns=self.last_inference_ns,
        )

    def snapshots(self) -> Sequence[tuple[int | None, Snapshot]]:
        """(number, counters) of every replica; the number is None without replicas."""
        own = self.snapshot()
        return [(None, own)] if self.replica_counts is None else self.replica_counts.all(own)

    def publish(self) -> None:
        """Share the counters with the other replicas, if there are any. Call it about once a second."""
        if self.replica_counts is not None:
            self.replica_counts.publish(self.snapshot())

    def exposition(self) -> tuple[bytes, bytes]:
        """(content type, text) of the response to a scrape; with replicas it covers all of them, labelled."""
        return Exposition(self.snapshots()).text()


def _copied(calls: dict[int, Calls]) -> dict[int, CallCounts]:
    return {key: CallCounts(seen.calls, seen.compute_ns) for key, seen in calls.items()}


def _count(calls: dict[int, Calls], key: int, compute_ns: int) -> None:
    seen = calls.get(key)
    if seen is None:
        seen = calls[key] = Calls()
    seen.calls += 1
    seen.compute_ns += compute_ns
