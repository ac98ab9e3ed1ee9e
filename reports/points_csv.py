"""points.csv: one line per point, the file that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import format_value
from harness.plan.plan import MODEL
from harness.wire.protocols import OPENAI
from reports.csv_file import append_csv, csv_text
from reports.labels import reasons
from reports.units import machine_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.judge.metrics import Latency, PointMetrics, StreamMetrics
    from harness.plan.plan import Plan

_BEFORE_KNOBS = ("target", "scenario", "model", "engine", "arrivals", "concurrency", "rate_target")
_OUTCOMES = ("ok", "wrong", "error", "timeout", "rejected", "aborted", "not_sent")


def _percentile(kind: str, p: float, end: str = "value_ms") -> Callable[[PointMetrics], str]:
    def read(point: PointMetrics) -> str:
        latency: Latency = getattr(point, kind)
        quantile = latency.at(p)
        # The interval of a percentile that is withheld is withheld too.
        known = quantile is not None and quantile.value_ms is not None
        return machine_number(getattr(quantile, end)) if known else ""

    return read


def _outcome(name: str) -> Callable[[PointMetrics], str]:
    return lambda point: str(getattr(point.counts, name))


def _step(name: str) -> Callable[[PointMetrics], str]:
    return lambda point: machine_number(getattr(point.steps, f"{name}_ms", None))


def _stream(kind: str, p: float, end: str = "value_ms") -> Callable[[PointMetrics], str]:
    def read(point: PointMetrics) -> str:
        quantile = getattr(point.stream, kind).at(p) if point.stream else None
        known = quantile is not None and quantile.value_ms is not None
        return machine_number(getattr(quantile, end)) if known else ""

    return read


def _of_stream(read: Callable[[StreamMetrics], float | None]) -> Callable[[PointMetrics], str]:
    return lambda point: machine_number(read(point.stream) if point.stream else None)


_STREAM: dict[str, Callable[[PointMetrics], str]] = {  # columns of runs that chat
    "ttft_p50_ms": _stream("ttft", 0.5),
    "ttft_p99_ms": _stream("ttft", 0.99),
    "ttft_p99_ms_lo": _stream("ttft", 0.99, "low_ms"),
    "ttft_p99_ms_hi": _stream("ttft", 0.99, "high_ms"),
    "itl_p50_ms": _stream("itl", 0.5),
    "itl_p99_ms": _stream("itl", 0.99),
    "itl_p99_ms_lo": _stream("itl", 0.99, "low_ms"),
    "itl_p99_ms_hi": _stream("itl", 0.99, "high_ms"),
    "tpot_p50_ms": _stream("tpot", 0.5),
    "tpot_p99_ms": _stream("tpot", 0.99),
    "tokens_per_s": _of_stream(lambda stream: stream.tokens_per_s.value),
    "tokens_per_s_lo": _of_stream(lambda stream: stream.tokens_per_s.low),
    "tokens_per_s_hi": _of_stream(lambda stream: stream.tokens_per_s.high),
    "streams_in_flight": _of_stream(lambda stream: stream.in_flight),
    "prompt_tokens": _of_stream(lambda stream: stream.prompt_tokens),
    "output_tokens": _of_stream(lambda stream: stream.output_tokens),
    "prefill_ms": lambda point: machine_number(point.split.prefill_ms),
    "decode_ms": lambda point: machine_number(point.split.decode_ms),
}
_AFTER_KNOBS: dict[str, Callable[[PointMetrics], str]] = {
    "repeats": lambda point: str(point.repeats),
    "seconds": lambda point: machine_number(point.seconds),
    "throughput_rps": lambda point: machine_number(point.throughput_rps.value),
    "throughput_rps_lo": lambda point: machine_number(point.throughput_rps.low),
    "throughput_rps_hi": lambda point: machine_number(point.throughput_rps.high),
    "p50_ms": _percentile("response", 0.5),
    "p90_ms": _percentile("response", 0.9),
    "p95_ms": _percentile("response", 0.95),
    "p99_ms": _percentile("response", 0.99),
    "p99_ms_lo": _percentile("response", 0.99, "low_ms"),
    "p99_ms_hi": _percentile("response", 0.99, "high_ms"),
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
    **_STREAM,
}


def columns(plan: Plan) -> tuple[str, ...]:
    """Names of the columns: a swept knob that has a column already (`engine`) gets no second one."""
    knobs = (name for name in plan.swept if name not in _BEFORE_KNOBS and name not in _AFTER_KNOBS)
    last = [name for name in _AFTER_KNOBS if name not in _STREAM or plan.protocol == OPENAI]
    return (*_BEFORE_KNOBS, *knobs, *last)


def points_csv(points: Iterable[PointMetrics], plan: Plan, *, header: bool = True) -> str:
    """Lines for `points`, CPU in cores, latencies in ms; a number that the sample cannot support is empty."""
    return csv_text(columns(plan), (_line(point, plan) for point in points), header=header)


def append_point(run_dir: Path, plan: Plan, point: PointMetrics) -> None:
    """Add a point's line to `points.csv` as soon as it is known. Raises RunError where the disk refuses."""
    append_csv(run_dir / "points.csv", lambda header: points_csv([point], plan, header=header), "the rows")


def _line(point: PointMetrics, plan: Plan) -> list[str]:
    setting = {**plan.fixed, **point.setting}
    cells = {
        **{name: format_value(value) for name, value in setting.items()},
        "target": plan.target,
        "scenario": plan.scenario,
        "model": str(setting.get(MODEL, plan.model)),
        "arrivals": point.arrivals,
        "concurrency": machine_number(point.concurrency),
        "rate_target": machine_number(point.rate_target_rps),
        **{name: read(point) for name, read in _AFTER_KNOBS.items()},
    }
    return [cells.get(name, "") for name in columns(plan)]
