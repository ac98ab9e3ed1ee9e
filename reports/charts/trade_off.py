"""Charts of accuracy against speed: a mark for each setting at its best load, and a line along the Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.interval import Interval
from harness.plan.knobs import format_value, setting_text
from reports.charts.xy import Chart, draw
from reports.views.curves import Axis, PointCurves, PointLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from markupsafe import Markup

    from harness.judge.metrics import Accuracy, PointMetrics
    from reports.charts.xy import Read
    from reports.report_input import ReportInput

WRONG = "Payloads with a wrong class, %"


@dataclass(frozen=True, slots=True)
class _Names(Axis):
    """Marks are labelled with their settings."""

    def text(self, point: PointMetrics) -> str:
        """The setting's values, without the knobs' names."""
        return ", ".join(format_value(value) for value in point.setting.values())


def trade_charts(report: ReportInput, lines: PointCurves) -> list[tuple[str, Markup]]:
    """(title, svg) of wrong predictions against throughput and against p99; none where accuracy does not depend on it.

    Marks have the colours of their lines in the other charts, which are drawn from `lines`.
    """
    result = report.result
    points = {point.point: point for point in result.points}
    chosen = [points[each.point] for each in result.trade_off]
    front = [points[each.point] for each in result.trade_off if each.on_front]
    of_point = {point.point: line.index or 0 for line in lines.lines for point in line.points}
    marks = [PointLine(setting_text(point.setting), (point,), of_point[point.point]) for point in chosen]
    found = []
    rated = {each.point: each.accuracy for each in result.trade_off}
    for chart in _charts(report, rated):
        along = sorted(front, key=lambda point: each.value if (each := chart.x(point)) else 0.0)
        line = [PointLine("Pareto front", tuple(along), None)] if len(along) > 1 else []
        curves = PointCurves("", (*line, *marks), _Names(""), ordered=False, best=result.recommendation.best_point)
        svg = draw(chart, curves)
        if svg is not None:
            found.append((chart.title, svg))
    return found


def _charts(report: ReportInput, rated: Mapping[int, Accuracy]) -> Iterator[Chart]:
    at = f" at {report.plan.slo}" if report.plan.slo else ""
    yield Chart(
        key="wrong-throughput",
        title=f"Wrong classes against throughput{at}",
        x_label="Throughput, requests/s",
        y_label=WRONG,
        x=lambda point: point.throughput_rps,
        y=_wrong(rated),
        labelled=True,
    )
    yield Chart(
        key="wrong-p99",
        title="Wrong classes against p99",
        x_label="p99 response time, ms",
        y_label=WRONG,
        x=_p99,
        y=_wrong(rated),
        labelled=True,
    )


def _wrong(rated: Mapping[int, Accuracy]) -> Read:
    def read(point: PointMetrics) -> Interval | None:
        found = rated[point.point]
        return Interval(100 * (1 - found.value), 100 * (1 - found.high), 100 * (1 - found.low))

    return read


def _p99(point: PointMetrics) -> Interval | None:
    tail = point.response.at(0.99)
    return None if tail is None or tail.value_ms is None else Interval(tail.value_ms)
