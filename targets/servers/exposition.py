"""Formats the counters of a server as Prometheus text; replicas are labelled with their numbers."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

HISTOGRAMS = {
    "sweepspot_batch_size": "Rows per model call.",
    "sweepspot_queue_duration_seconds": "Admission of a request to its model call.",
    "sweepspot_compute_duration_seconds": "Duration of a model call.",
}


class Buckets(msgspec.Struct, frozen=True):
    """A histogram: upper bounds as text, the count per bucket (the last one unbounded), and the sum."""

    bounds: list[str]
    counts: list[int]
    sum: float

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, cumulative count) per bucket; the last bound is infinite."""
        return list(zip([*self.bounds, "+Inf"], map(float, accumulate(self.counts)), strict=True))


class CallCounts(msgspec.Struct, frozen=True):
    """The number of model calls of one batch size or one stage, and their total time."""

    calls: int
    compute_ns: int


class Snapshot(msgspec.Struct, frozen=True):
    """The counters of one server process."""

    pid: int
    requests: dict[str, int]
    queue_length: int
    stages: dict[int, CallCounts]  # by number, from 1; a model that is not cut has one stage
    histograms: dict[str, Buckets]
    batches: dict[int, CallCounts]  # by rows
    spent_ns: dict[str, int]  # over requests, by the part of Triton's statistics
    last_inference_ns: int  # 0 before the first


class Exposition:
    """A collector for `prometheus_client`: one (replica number, snapshot) each; the number is None without replicas."""

    def __init__(self, snapshots: Sequence[tuple[int | None, Snapshot]]) -> None:
        self._labelled = [([] if replica is None else [str(replica)], snapshot) for replica, snapshot in snapshots]
        self._names = ["replica"] if any(labels for labels, _ in self._labelled) else []

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("sweepspot_requests", "Requests by outcome.", labels=["outcome", *self._names])
        length = GaugeMetricFamily("sweepspot_queue_length", "Rows waiting now.", labels=self._names)
        pid = GaugeMetricFamily("sweepspot_process_pid", "Process id.", labels=self._names)
        calls = CounterMetricFamily("sweepspot_stage_calls", "Model calls.", labels=["stage", *self._names])
        spent = CounterMetricFamily(
            "sweepspot_stage_compute_seconds", "Total time of the model calls.", labels=["stage", *self._names]
        )
        for labels, snapshot in self._labelled:
            for stage, counts in snapshot.stages.items():
                calls.add_metric([str(stage), *labels], counts.calls)
                spent.add_metric([str(stage), *labels], counts.compute_ns / NS_PER_S)
            for outcome, count in snapshot.requests.items():
                requests.add_metric([outcome, *labels], count)
            length.add_metric(labels, snapshot.queue_length)
            pid.add_metric(labels, snapshot.pid)
        yield from (requests, length, pid, calls, spent)
        for name, doc in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, doc, labels=self._names)
            for labels, snapshot in self._labelled:
                buckets = snapshot.histograms[name]
                family.add_metric(labels, buckets.cumulative(), buckets.sum)
            yield family

    def text(self) -> tuple[bytes, bytes]:
        """(content type, text) of the response to a scrape."""
        return prometheus_text(self)


def prometheus_text(collector: Collector) -> tuple[bytes, bytes]:
    """(content type, text) of the metrics of a collector."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    registry = CollectorRegistry()
    registry.register(collector)
    return CONTENT_TYPE_PLAIN_0_0_4.encode(), generate_latest(registry)
