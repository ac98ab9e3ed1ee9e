"""The columns of points.csv for a run that measured a server. A new column is one entry in `COLUMNS`.

One that only language models have is an entry in `_STREAMED`. `PointMetrics` (`harness/judge/metrics.py`) holds the
figures. Columns that shall stand before the knobs are entries of `before` in `csv_columns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.numbers.latency import PERCENTILES
from harness.plan.knobs import format_value
from harness.plan.plan import MODEL
from harness.wire.protocols import chats
from reports.labels import reasons
from reports.text.run_texts import knob_columns
from reports.units import machine_number
from reports.views.points_table import SLO_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import Latency, PointMetrics, StreamMetrics
    from harness.plan.plan import Plan
    from reports.text.run_texts import Cell, Columns

_OUTCOMES = ("ok", "wrong", "error", "timeout", "rejected", "aborted", "unknown", "not_sent")


def _percentile(kind: str, p: float, end: str = "value_ms") -> Cell[PointMetrics]:
    def read(point: PointMetrics) -> str:
        latency: Latency = getattr(point, kind)
        quantile = latency.at(p)
        return machine_number(getattr(quantile, end)) if quantile else ""

    return read


def _outcome(name: str) -> Cell[PointMetrics]:
    return lambda point: str(getattr(point.counts, name))


def _step(name: str) -> Cell[PointMetrics]:
    return lambda point: machine_number(getattr(point.steps, f"{name}_ms", None))


def _stream(kind: str, p: float, end: str = "value_ms") -> Cell[PointMetrics]:
    def read(point: PointMetrics) -> str:
        latency: Latency | None = getattr(point.stream, kind, None)
        quantile = latency.at(p) if latency else None
        return machine_number(getattr(quantile, end)) if quantile else ""

    return read


def _goodput(end: str) -> Cell[PointMetrics]:
    return lambda point: machine_number(getattr(point.goodput_rps, end, None))


def _cost(name: str) -> Cell[PointMetrics]:
    return lambda point: machine_number(getattr(point.cost, name, None))


def _of_stream(read: Callable[[StreamMetrics], float | None]) -> Cell[PointMetrics]:
    return lambda point: machine_number(read(point.stream) if point.stream else None)


def _rate(name: str, end: str) -> Cell[PointMetrics]:
    return _of_stream(lambda stream: getattr(getattr(stream, name), end, None))


_STREAMED: dict[str, Cell[PointMetrics]] = {  # columns of runs that chat
    "ttft_p50_ms": _stream("ttft", 0.5),
    "ttft_p99_ms": _stream("ttft", 0.99),
    "ttft_p99_ms_lo": _stream("ttft", 0.99, "low_ms"),
    "ttft_p99_ms_hi": _stream("ttft", 0.99, "high_ms"),
    "ttfo_p50_ms": _stream("ttfo", 0.5),
    "ttfo_p99_ms": _stream("ttfo", 0.99),
    "itl_p50_ms": _stream("itl", 0.5),
    "itl_p99_ms": _stream("itl", 0.99),
    "itl_p99_ms_lo": _stream("itl", 0.99, "low_ms"),
    "itl_p99_ms_hi": _stream("itl", 0.99, "high_ms"),
    "tpot_p50_ms": _stream("tpot", 0.5),
    "tpot_p99_ms": _stream("tpot", 0.99),
    **{
        f"{name}{suffix}": _rate(name, end)
        for name in ("tokens_per_s", "prompt_tokens_per_s", "results_per_s")
        for suffix, end in (("", "value"), ("_lo", "low"), ("_hi", "high"))
    },
    "cancelled": lambda point: str(point.counts.cancelled),
    "cached_share": _of_stream(lambda stream: stream.cached_share),
    "asked_cached_share": _of_stream(lambda stream: stream.asked_cached_share),
    "streams_in_flight": _of_stream(lambda stream: stream.in_flight),
    "prompt_tokens": _of_stream(lambda stream: stream.prompt_tokens),
    "output_tokens": _of_stream(lambda stream: stream.output_tokens),
    "prefill_ms": lambda point: machine_number(point.split.prefill_ms),
    "decode_ms": lambda point: machine_number(point.split.decode_ms),
}
COLUMNS: dict[str, Cell[PointMetrics]] = {  # those behind the knobs, in their order
    "repeats": lambda point: str(point.repeats),
    "seconds": lambda point: machine_number(point.seconds),
    "throughput_rps": lambda point: machine_number(point.throughput_rps.value),
    "throughput_rps_lo": lambda point: machine_number(point.throughput_rps.low),
    "throughput_rps_hi": lambda point: machine_number(point.throughput_rps.high),
    **{
        f"p{100 * p:g}_ms{suffix}": _percentile("response", p, end)
        for p in PERCENTILES
        for suffix, end in (("", "value_ms"), ("_lo", "low_ms"), ("_hi", "high_ms"))
    },
    "service_p50_ms": _percentile("service", 0.5),
    "service_p99_ms": _percentile("service", 0.99),
    **{name: _outcome(name) for name in _OUTCOMES},
    "failed": lambda point: str(point.counts.failed),
    "mean_batch": lambda point: machine_number(point.mean_batch),
    "cpu_target": lambda point: machine_number(point.usage.cpu_target_cores),
    "cpu_load": lambda point: machine_number(point.usage.cpu_load_cores),
    "verdict": lambda point: point.verdict.value,
    "reasons": lambda point: ";".join(reasons(point)),
    "accuracy": lambda point: machine_number(point.accuracy.value if point.accuracy else None),
    "accuracy_lo": lambda point: machine_number(point.accuracy.low if point.accuracy else None),
    "accuracy_hi": lambda point: machine_number(point.accuracy.high if point.accuracy else None),
    "client_ms": lambda point: machine_number(point.split.client_ms),
    "preprocess_ms": lambda point: machine_number(point.split.preprocess_ms),
    **{f"{name}_ms": _step(name) for name in ("clean", "transform", "normalise", "augment")},
    "read_ms": lambda point: machine_number(point.split.read_ms),
    "cost_unit": lambda point: point.cost.unit if point.cost else "",
    "core_ms_per_unit": _cost("core_ms"),
    "energy_j_per_unit": _cost("energy_j"),
    "price_per_million": _cost("price_per_million"),
    "late_p99_ms": _percentile("lateness", 0.99),
    "goodput_rps": _goodput("value"),
    "goodput_rps_lo": _goodput("low"),
    "goodput_rps_hi": _goodput("high"),
    "meets_slo": lambda point: SLO_WORDS[point.meets_slo] if point.goodput_rps else "",  # which needs an SLO too
    **_STREAMED,
}


def csv_columns(plan: Plan) -> Columns[PointMetrics]:
    """The columns by name, in their order: the point, its knobs, then `COLUMNS`. CPU is in cores, latencies in ms.

    The model and the engine have a column of their own before the knobs, whether they are swept or not.
    """
    before: dict[str, Cell[PointMetrics]] = {
        "target": plan.target_at,
        "scenario": lambda _: plan.scenario,
        "model": plan.model_at,
        "engine": lambda point: format_value(plan.setting_of(point).get("engine", "")),
        "arrivals": lambda point: point.arrivals,
        "concurrency": lambda point: machine_number(point.concurrency),
        "rate_target": lambda point: machine_number(point.rate_target_rps),
    }
    after = {name: cell for name, cell in COLUMNS.items() if name not in _STREAMED or chats(plan.load.protocol)}
    return {**before, **knob_columns(plan, {**before, **COLUMNS}, (MODEL, "engine")), **after}
