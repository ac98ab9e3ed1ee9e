"""Counts requests, tokens and durations of a chat server, for Prometheus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S
from targets.servers.exposition import prometheus_text
from targets.servers.telemetry import EXPIRED, OUTCOMES, SERVER_ERROR, PrometheusHistogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from targets.generation.scheduler import Scheduler

STEP_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CANCELLED = "cancelled"


@dataclass(slots=True)
class _Tokens:
    prompt: int = 0
    output: int = 0


class ChatTelemetry:
    """The counters of one server. Not thread-safe."""

    def __init__(self, scheduler: Scheduler) -> None:
        kinds = ("ok", "bad_request", "rejected", CANCELLED, "error")
        self.requests: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        self.tokens = _Tokens()
        self._scheduler = scheduler
        self.step_tokens = PrometheusHistogram(STEP_BOUNDS)
        self.step_ns = PrometheusHistogram(SECONDS_BOUNDS, NS_PER_S)
        self.queue_ns = PrometheusHistogram(SECONDS_BOUNDS, NS_PER_S)
        self.first_token_ns = PrometheusHistogram(SECONDS_BOUNDS, NS_PER_S)

    def count_error(self, status: int) -> None:
        """Count one error response."""
        known = OUTCOMES.get(status) if status != EXPIRED else None
        self.requests[known or ("error" if status >= SERVER_ERROR else "bad_request")] += 1

    def publish(self) -> None:
        """Do nothing: there are no replicas."""

    def exposition(self) -> tuple[bytes, bytes]:
        """(content type, text) of the response to a scrape."""
        return prometheus_text(self)

    def collect(self) -> Iterator[Metric]:
        """The metric families, as `prometheus_client` requests them from a collector."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("sweepspot_requests", "Requests by outcome.", labels=["outcome"])
        for outcome, count in self.requests.items():
            requests.add_metric([outcome], count)
        yield requests
        yield CounterMetricFamily(
            "sweepspot_prompt_tokens", "Prompt tokens of finished requests.", value=self.tokens.prompt
        )
        yield CounterMetricFamily("sweepspot_output_tokens", "Tokens generated.", value=self.tokens.output)
        gauges: dict[str, tuple[str, Callable[[], int]]] = {
            "sweepspot_sequences_running": ("Sequences in the batch.", lambda: len(self._scheduler.running)),
            "sweepspot_sequences_waiting": (
                "Sequences that wait to join the batch.",
                lambda: len(self._scheduler.waiting),
            ),
        }
        for name, (doc, read) in gauges.items():
            yield GaugeMetricFamily(name, doc, value=read())
        histograms = {
            "sweepspot_step_tokens": ("Tokens per step.", self.step_tokens),
            "sweepspot_step_duration_seconds": ("Duration of a step.", self.step_ns),
            "sweepspot_queue_duration_seconds": ("Time from arrival to admission to the batch.", self.queue_ns),
            "sweepspot_time_to_first_token_seconds": ("Time from arrival to the first token.", self.first_token_ns),
        }
        for name, (doc, histogram) in histograms.items():
            buckets = histogram.buckets()
            yield HistogramMetricFamily(name, doc, buckets=buckets.cumulative(), sum_value=buckets.sum)
