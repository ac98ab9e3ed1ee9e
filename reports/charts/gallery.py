"""Which charts a run gets, and the colours of their lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.judge.interval import Interval
from reports.charts.xy import Chart, draw
from reports.views.curves import curves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from markupsafe import Markup

    from harness.judge.metrics import Latency, PointMetrics
    from harness.plan.plan import Plan
    from reports.charts.xy import Read
    from reports.report_input import ReportInput
    from reports.views.curves import Axis, PointCurves

_OKABE_ITO = (  # colour-blind safe, without the yellow and black that one of the two backgrounds swallows
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#e69f00"),
    ("#009e73", "#2fc79a"),
    ("#b0578d", "#e293c0"),
    ("#56b4e9", "#0f83c9"),
    ("#a97400", "#f0e442"),
    ("#555555", "#bbbbbb"),
    ("#7a3fa8", "#b58be0"),
)
MARKS = (  # the markers of the lines once more, as paths for the legend; the order is that of `xy.MARKERS`
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
    "M-4-4H4V4H-4z",
    "M0-5L5 4H-5z",
    "M0-5.5L5.5 0L0 5.5L-5.5 0z",
    "M0 5L5-4H-5z",
    "M0-5L5-1L3 4H-3L-5-1z",
    "M-5-2L-2-5L0-3L2-5L5-2L3 0L5 2L2 5L0 3L-2 5L-5 2L-3 0z",
    "M0-5L4.5-2.5V2.5L0 5L-4.5 2.5V-2.5z",
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart and what stands above it."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Colour:
    """A line's name and its colour on light and on dark paper."""

    name: str
    light: str
    dark: str


def gallery(report: ReportInput) -> tuple[PointCurves, list[Drawing]]:
    """The charts that have something to show; none for a single point."""
    lines = curves(report.result)
    if len(report.result.points) < 2:
        return lines, []
    found = ((chart.title, draw(chart, lines)) for chart in _charts(report.plan, lines.axis))
    return lines, [Drawing(title, svg) for title, svg in found if svg is not None]


def colours(lines: PointCurves) -> list[Colour]:
    """A colour per line: from low to high where the names are numbers, else as different as can be."""
    return palette([line.name for line in lines.coloured], ordered=lines.ordered)


def palette(names: Sequence[str], *, ordered: bool) -> list[Colour]:
    """A colour per name (at most 8); `ordered`: the names are numbers, from low to high."""
    if not ordered or len(names) == 1:
        return [Colour(name, *pair) for name, pair in zip(names, _OKABE_ITO, strict=False)]
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    viridis = mpl.colormaps["viridis"]
    steps = [index / (len(names) - 1) for index in range(len(names))]
    return [
        Colour(name, to_hex(viridis(0.72 * step)), to_hex(viridis(0.32 + 0.68 * step)))
        for name, step in zip(names, steps, strict=True)
    ]


def limits_of(plan: Plan) -> dict[str, tuple[float, str]]:
    """The limits in ms that all requests together are held to, with their labels, by metric."""
    return {bound.metric: (bound.limit, f"SLO: {bound}") for bound in plan.slo.of_all} if plan.slo else {}


def _charts(plan: Plan, axis: Axis) -> Iterator[Chart]:
    limits = limits_of(plan)
    for metric, title, read in _TAILS[plan.rate_unit == "tokens/s"]:
        limit, label = limits.get(metric, (None, ""))
        yield Chart(
            key=f"{metric.replace('_', '-')}-throughput",
            title=f"{title} against throughput",
            x_label=f"Throughput, {plan.rate_unit}",
            y_label=f"{title}, ms",
            x=lambda point: point.rate,
            y=read,
            limit=limit,
            limit_label=label,
            labelled=True,
        )
    limit, label = limits.get("p99", (None, ""))
    unit = plan.rate_unit.replace("req/s", "requests/s")
    throughput = against_load("Throughput", f"Throughput, {unit}", lambda point: point.rate, axis)
    yield replace(throughput, diagonal=axis.asked_rate and plan.rate_unit == "req/s")
    p99 = against_load("p99 latency", "p99 response time, ms", _percentile(0.99), axis)
    yield replace(p99, limit=limit, limit_label=label, log_y=True)
    yield against_load("Mean batch size", "Requests per batch", _plain(lambda point: point.mean_batch), axis)
    yield against_load("CPU of the target", "Cores in use", _plain(lambda point: point.usage.cpu_target_cores), axis)
    gpu = _plain(lambda point: point.usage.gpu_utilization_percent)
    yield against_load("GPU use", "Utilisation, %", gpu, axis)


def against_load(what: str, y_label: str, y: Read, axis: Axis, limit: tuple[float, str] | None = None) -> Chart:
    """A chart of `y` along the load, or along the knob where only that was varied; `limit` with its label."""
    against = axis.knob or ("requested rate" if axis.asked_rate else "concurrency")
    return Chart(
        key=f"{what.replace(' ', '-').lower()}-load",
        title=f"{what} against {against}",
        x_label=axis.label,
        y_label=y_label,
        x=_plain(axis.value),
        y=y,
        log_y=limit is not None,
        limit=limit[0] if limit else None,
        limit_label=limit[1] if limit else "",
    )


def _percentile(p: float) -> Read:
    def read(point: PointMetrics) -> Interval | None:
        found = point.response.at(p)
        return found.interval_ms if found else None

    return read


def _plain(read: Callable[[PointMetrics], float | None]) -> Read:
    return lambda point: None if (value := read(point)) is None else Interval(value=value)


def _stream_percentile(kind: str, p: float) -> Read:
    def read(point: PointMetrics) -> Interval | None:
        latency: Latency | None = getattr(point.stream, kind, None)
        found = latency.at(p) if latency else None
        return found.interval_ms if found else None

    return read


_TAILS: dict[bool, tuple[tuple[str, str, Read], ...]] = {  # by whether points are ranked by tokens
    False: (
        ("p50", "p50 response time", _percentile(0.5)),
        ("p99", "p99 response time", _percentile(0.99)),
    ),
    True: (
        ("ttft_p90", "p90 time to first token", _stream_percentile("ttft", 0.9)),
        ("itl_p99", "p99 inter-token latency", _stream_percentile("itl", 0.99)),
    ),
}
