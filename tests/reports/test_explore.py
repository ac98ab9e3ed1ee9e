"""What a reader can ask of the page: values of points, distributions, two knobs at once."""

import re

import example_runs as example

from harness.judge.findings import Verdict
from reports.charts.distribution import distributions
from reports.page import page_html
from reports.rendering import PAGE_SCRIPTS, TEMPLATES
from reports.views.heat_map import heat_map


def test_the_scripts_are_small_and_ours():
    assert sum((TEMPLATES / name).stat().st_size for name in (*PAGE_SCRIPTS, "live.js")) < 30_000


def test_every_point_of_a_chart_says_its_values():
    page = page_html(example.sweep())
    (chart,) = re.findall(r'<svg class="chart"[^>]*aria-labelledby="p99-throughput.*?</svg>', page, re.DOTALL)
    tips = re.findall(r'<g class="tip" tabindex="0" role="img" aria-label="([^"]*)"><title>', chart)
    assert len(tips) == len(example.sweep().result.points)
    assert all(re.match(r"batch_size=\d+, \d+ users?: ", tip) for tip in tips)


def test_a_distribution_rises_to_the_tail_and_names_its_values():
    report = example.sweep()
    chart = distributions(report.result.points)[0]
    heights = [dot.y for dot in chart.dots]
    assert heights == sorted(heights, reverse=True)  # up is smaller in SVG
    p50 = report.result.points[0].response.at(0.5)
    assert chart.dots[0].words.startswith(f"p50: {p50.value_ms:.3g} ms")
    assert [tick.name for tick in chart.ticks][:2] == ["p50", "p90"]


def test_a_heat_map_has_a_cell_for_each_pair_of_two_knobs():
    report = example.grid()
    table = heat_map(report.plan, report.result.points)
    assert (table.row_knob, table.column_knob, table.others) == ("batch_wait_ms", "batch_size", "batch_policy")
    cells = [cell for _, row in table.rows for cell in row]
    assert len(cells) == len(table.columns) * 2
    assert max(cell.share for cell in cells) == 100
    best = max(
        (point for point in report.result.points if point.setting["batch_size"] == 64 and point.meets_slo),
        key=lambda point: point.throughput_rps.value,
    )
    assert best.verdict is not Verdict.INVALID
    assert any(cell.words.startswith(f"batch_size={64}") for cell in cells)


def test_one_knob_has_no_heat_map():
    report = example.sweep()
    assert heat_map(report.plan, report.result.points) is None
