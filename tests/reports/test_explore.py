"""What a reader can ask of the page: values of points, distributions, two knobs at once."""

import csv
import io
import re
from urllib.parse import unquote

import example_runs as example
import pytest

from harness.judge.findings import Verdict
from harness.judge.response_spread import ResponseSpread, SpreadOverTime
from reports.charts.distribution import distributions
from reports.charts.histogram import histogram
from reports.charts.parallel import parallel
from reports.page import page_html
from reports.point_csv import histogram_csv
from reports.rendering import PAGE_SCRIPTS, TEMPLATES
from reports.views.heat_map import heat_map

pytestmark = pytest.mark.slow  # whole pages are drawn, with all of their charts


def test_the_scripts_are_small_and_ours():
    assert sum((TEMPLATES / name).stat().st_size for name in (*PAGE_SCRIPTS, "live.js")) < 30_000


def test_every_point_of_a_chart_says_its_values():
    page = page_html(example.sweep())
    (chart,) = re.findall(r'<svg class="chart"[^>]*aria-labelledby="p99-throughput.*?</svg>', page, re.DOTALL)
    tips = re.findall(r'<g class="tip" data-line="\d" tabindex="0" role="img" aria-label="([^"]*)"><title>', chart)
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


def test_a_histogram_draws_every_response_and_its_map_names_each_cell():
    spread = ResponseSpread(
        edges_ms=(1.0, 2.0, 4.0, 8.0),
        counts=(1, 4, 0),
        over_time=(SpreadOverTime(repeat=1, bin_s=0.5, start_s=-0.5, counts=((0, 0, 0), (1, 4, 0))),),
    )
    drawn = histogram(spread)
    heights = [float(bar) for bar in re.findall(r"v-([\d.]+)", drawn.bars)]
    assert heights == [26.0, 104.0]  # of 110, less 6: a quarter and the whole
    (over_time,) = drawn.maps
    assert (over_time.columns, over_time.rows, over_time.counts) == (2, 3, ";0 1 4")
    # sqrt(1/4) is the third of five shades, the most the fifth; the first row lies at the bottom
    assert over_time.shades == ("", "", "M1 2h1v1h-1z", "", "M1 1h1v1h-1z")
    assert histogram(None) is None


def test_more_repeats_than_are_drawn_are_counted():
    one = SpreadOverTime(repeat=0, bin_s=1, start_s=0, counts=((1,),))
    assert histogram(ResponseSpread(edges_ms=(1.0, 2.0), counts=(6,), over_time=(one,) * 6)).left_out == 2


def test_the_data_of_a_point_lie_in_the_page():
    report = example.one_point()
    page = page_html(report)
    found = dict(re.findall(r'download="([\w.-]+)" href="data:text/csv;charset=utf-8,([^"]*)"', page))
    files = {name: [*csv.DictReader(io.StringIO(unquote(text)))] for name, text in found.items()}
    assert [*files] == ["point-0-histogram.csv", "point-0-timeline.csv", "points.csv"]
    (point,) = report.result.points
    assert [int(row["responses"]) for row in files["point-0-histogram.csv"]] == list(point.spread.counts)
    p99 = [row["p99_ms"] for row in files["point-0-timeline.csv"]]
    assert [value == "" for value in p99] == [value is None for value in point.trials[0].timeline.p99_ms]
    assert len(files["points.csv"]) == 1


def test_large_numbers_of_a_histogram_are_whole_and_no_powers_of_ten():
    spread = ResponseSpread(edges_ms=(0.5, 1.0, 2.0), counts=(1_234_567, 3), over_time=())
    point = example._replace(example.one_point().result.points[0], spread=spread)
    assert histogram_csv(point) == "from_ms,to_ms,responses\n0.5,1,1234567\n1,2,3\n"


def test_several_knobs_at_one_load_have_no_chart_of_one_x_value():
    report = example.knobs()
    page = page_html(report)
    charts = re.findall(r'<title id="([\w-]+)-title">', page)
    assert charts == ["p50-throughput", "p99-throughput"]
    drawing = parallel(report.plan, report.result.points, report.result.recommendation.best_point)
    assert [axis.name for axis in drawing.axes] == ["batch_size", "batch_wait_ms", "batch_policy", "req/s", "p99, ms"]
    assert len(drawing.lines) == 20
    assert [line.best for line in drawing.lines].count(True) == 1
    assert drawing.lines[-1].share == 100
    assert page.count('class="tip setting') == 20
    heights = [float(corner.split(",")[1]) for line in drawing.lines for corner in line.points.split()]
    assert min(heights) >= 40
    assert max(heights) <= drawing.height


def test_one_knob_has_no_parallel_coordinates():
    report = example.sweep()
    assert parallel(report.plan, report.result.points, None) is None


def test_every_point_has_a_place_to_link_to():
    page = page_html(example.sweep())
    assert all(f'<tr id="point-{number}">' in page or f'id="point-{number}"' in page for number in range(16))
    assert '<a href="#distribution-3">' in page
    assert '<a href="#point-3">' in page


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """By WCAG 2.2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    roots = re.findall(r":root \{(.*?)\}", (TEMPLATES / "style.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", roots[scheme == "dark"]))
    grounds = ("page", "surface", "stripe", "best")
    pairs = [(text, ground) for text in ("text", "muted", "accent", "limit") for ground in grounds]
    pairs += [(verdict, f"{verdict}-back") for verdict in ("valid", "degraded", "invalid")]
    pairs += [("muted", "grid"), ("text", "degraded-back"), ("page", "text")]
    poor = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}
