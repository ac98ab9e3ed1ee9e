"""Streamed responses: time to first token, inter-token latency, and tokens per second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.interval import Interval
from harness.judge.metrics import Quantile
from reports import units
from reports.charts.gallery import Drawing, against_load, limits_of
from reports.charts.xy import Chart, draw
from reports.labels import point_label
from reports.views.points_table import Cell, Table, percentile_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.judge.metrics import Latency, PointMetrics, StreamMetrics
    from harness.plan.plan import Plan
    from reports.charts.xy import Read
    from reports.views.curves import PointCurves

Shown = Interval | Quantile | float | None

_COLUMNS = (
    "Point", "TTFT p50 ms", "TTFT p90 ms", "TTFT p99 ms", "ITL p50 ms", "ITL p99 ms", "TPOT p50 ms",
    "Tokens /s", "In flight", "Prompt tokens", "Response tokens",
)  # fmt: skip
KINDS = {"ttft": "Time to first token", "itl": "Inter-token latency", "tpot": "Time per output token"}


def streams_table(points: Iterable[PointMetrics]) -> Table | None:
    """One row per point; None where no responses were streamed."""
    streamed = [(point, point.stream) for point in points if point.stream]
    shown = [
        (title, read) for title, read in _SOMETIMES.items() if any(read(point) is not None for point, _ in streamed)
    ]
    rows = tuple((*_cells(point, stream), *(_cell(read(point)) for _, read in shown)) for point, stream in streamed)
    return Table((*_COLUMNS, *(title for title, _ in shown)), rows, text_columns=1) if rows else None


def _cells(point: PointMetrics, stream: StreamMetrics) -> Iterator[Cell]:
    yield Cell(point_label(point), key=point_label(point), kind="point")
    for kind, p in (("ttft", 0.5), ("ttft", 0.9), ("ttft", 0.99), ("itl", 0.5), ("itl", 0.99), ("tpot", 0.5)):
        yield percentile_cell(getattr(stream, kind).at(p))
    yield _cell(stream.tokens_per_s)
    for number in (stream.in_flight, stream.prompt_tokens, stream.output_tokens):
        yield Cell(units.number(number), key=units.machine_number(number))


def _cell(figure: Shown) -> Cell:
    if isinstance(figure, Quantile):
        return percentile_cell(figure)
    if figure is None or isinstance(figure, float):
        return Cell(units.number(figure), key=units.machine_number(figure))
    return Cell(*units.estimate(figure), key=units.machine_number(figure.value))


def _server(name: str, factor: float = 1.0) -> Callable[[PointMetrics], float | None]:
    def read(point: PointMetrics) -> float | None:
        value: float | None = getattr(point.server, name, None)
        return None if value is None else factor * value

    return read


def _stream(read: Callable[[StreamMetrics], Shown]) -> Callable[[PointMetrics], Shown]:
    return lambda point: read(point.stream) if point.stream else None


# Columns that a run has where any of its points has the figure.
_SOMETIMES: dict[str, Callable[[PointMetrics], Shown]] = {
    "TTFO p50 ms": _stream(lambda stream: stream.ttfo.at(0.5) if stream.ttfo else None),
    "Results /s": _stream(lambda stream: stream.results_per_s),
    "Prompt tokens /s": _stream(lambda stream: stream.prompt_tokens_per_s),
    "Asked cached %": _stream(
        lambda stream: None if stream.asked_cached_share is None else 100 * stream.asked_cached_share
    ),
    "Cached %": _stream(lambda stream: None if stream.cached_share is None else 100 * stream.cached_share),
    "Server: running": _server("running"),
    "Server: waiting": _server("waiting"),
    "Open, not running": _server("open_waiting"),
    "Server: KV cache %": _server("kv_cache", 100),
    "Server: preempted": _server("preemptions"),
    "Server: prefix hits %": _server("prefix_hits", 100),
    "Server: speculated, accepted %": _server("accepted", 100),
}


def stream_charts(plan: Plan, lines: PointCurves) -> list[Drawing]:
    """First tokens, gaps and tokens per second along the load; none where fewer than two points have them."""
    limits = limits_of(plan)
    charts = [
        Chart(
            key="pareto",
            title="Output tokens/s of all streams against those of each",
            x_label="Output tokens/s of each stream",
            y_label="Output tokens/s of all streams",
            x=_of(lambda stream: _exactly(stream.tokens_per_s_of_stream)),
            y=_of(lambda stream: stream.tokens_per_s),
            log_y=False,
            labelled=True,
        ),
        against_load("Goodput", "Responses within the SLO, 1/s", lambda point: point.goodput_rps, lines.axis),
        *(
            against_load(
                f"{KINDS[kind]}, {name}", f"{kind.upper()} {name}, ms", _percentile(kind, p), lines.axis,
                limits.get(f"{kind}_{name}"),
            )
            for kind in ("ttft", "itl")
            for p, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
        ),
    ]  # fmt: skip
    drawn = ((chart.title, draw(chart, lines)) for chart in charts)
    return [Drawing(title, svg) for title, svg in drawn if svg is not None]


def _exactly(value: float | None) -> Interval | None:
    return None if value is None else Interval(value=value)


def _of(read: Callable[[StreamMetrics], Interval | None]) -> Read:
    return lambda point: read(point.stream) if point.stream else None


def _percentile(kind: str, p: float) -> Read:
    def read(stream: StreamMetrics) -> Interval | None:
        latency: Latency = getattr(stream, kind)
        found = latency.at(p)
        return found.interval_ms if found else None

    return _of(read)
