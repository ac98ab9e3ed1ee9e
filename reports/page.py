"""report.html: the page in one file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.charts.distribution import distributions
from reports.charts.gallery import MARKS, colours, gallery
from reports.charts.parallel import parallel
from reports.charts.simulated_scaling import draw_simulated
from reports.charts.trade_off import trade_charts
from reports.charts.tuning_path import draw_path
from reports.labels import point_label
from reports.point_csv import data_url
from reports.points_csv import points_csv
from reports.rendering import render
from reports.views.capacities import capacities_table
from reports.views.classes import classes_table, isolation_sentences, servers_table
from reports.views.findings import finding_groups
from reports.views.heat_map import heat_map
from reports.views.layouts import scaling_table
from reports.views.page_view import MAX_BARS, page
from reports.views.pairs import pairs_view
from reports.views.simulation import simulation_table
from reports.views.streams import stream_charts, streams_table
from reports.views.timeline import timelines
from reports.views.trade_off import steps_table, trade_table
from reports.views.tuning import tuning_view
from reports.views.usage import PART_MEANING, PARTS, gpu_words, parts_seen, split_rows, split_sources, usage_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.report_input import ReportInput

MAX_TIMELINES = 60


def page_html(report: ReportInput) -> str:
    """The whole page; the same bytes for the same input."""
    points = report.result.points
    lines, drawings = gallery(report)
    return render(
        "report.html.j2",
        page=page(report),
        curves=lines,
        colours=colours(lines),
        marks=MARKS,
        drawings=drawings,
        heat=heat_map(report.plan, points),
        parallel=parallel(report.plan, points, report.result.recommendation.best_point),
        points_csv=data_url(points_csv(points, report.plan)),
        distributions=distributions(points[:MAX_BARS]),
        chart_notes=list(_chart_notes(report)),
        scaling=report.result.scaling,
        layouts=scaling_table(report.result.scaling, points),
        simulation=report.result.simulation,
        simulated=simulation_table(report.result.simulation),
        simulated_chart=draw_simulated(report.result.simulation),
        pairs=pairs_view(report.plan, report.result.comparison),
        tuning=tuning_view(report),
        path_chart=draw_path(report.result.tuning),
        capacities=capacities_table(report.result),
        classes=classes_table(points),
        servers=servers_table(points),
        streams=streams_table(points),
        stream_drawings=stream_charts(report.plan, lines) if len(points) > 1 else [],
        isolation=list(isolation_sentences(points)),
        split_sources=split_sources(points),
        splits=split_rows(points[:MAX_BARS]),
        steps=steps_table(points[:MAX_BARS]),
        trade=trade_table(report.result, report.plan),
        trade_charts=trade_charts(report, lines),
        parts=[(index, part, PART_MEANING[part]) for index, part in enumerate(PARTS) if part in parts_seen(points)],
        usage=usage_table(points[:MAX_BARS]),
        gpu=gpu_words([point.usage for point in points], report.environment),
        timelines=timelines(points[:MAX_TIMELINES]),
        left_out=len(points) - MAX_BARS,
        timelines_left_out=len(points) - MAX_TIMELINES,
        findings=finding_groups(points),
        environment=report.environment,
        command_line=report.command_line,
    )


def _chart_notes(report: ReportInput) -> Iterator[str]:
    """What a reader of the p99 charts has to know, in sentences."""
    tails = [(point, point.response.at(0.99)) for point in report.result.points]
    absent = [point_label(point) for point, p99 in tails if p99 is None]
    if absent:
        listed = "; ".join(absent[:4]) + (f" and {len(absent) - 4} more" if len(absent) > 4 else "")
        yield f"Without a p99, because no good response came: {listed}."
    if any(p99 is not None and p99.high_ms is None for _, p99 in tails):
        yield (
            "An arrow up beside a label: the true value may be higher, since there were too few requests for an upper "
            "bound, or some were still open at the end."
        )
    if any(p99 is not None and p99.vague for _, p99 in tails):
        yield "\u2248 before a figure: it is not known how exactly, and may be several times smaller or larger."
