import functools
import re
from html.parser import HTMLParser

import example_runs as example
import pytest

from harness.plan.arrivals import Stage, Stages
from harness.plan.slo import parse_slo
from reports import write_reports
from reports.page import page_html
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import plan_text, result_text

pytestmark = pytest.mark.slow  # whole pages are drawn, with all of their charts

VOID = {"meta", "link", "br", "rect", "path", "circle", "polyline", "line", "use"}


class Document(HTMLParser):
    """Elements in order with their attributes; complains of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


@functools.cache
def page_of(name):
    return page_html(example.EXAMPLES[name]())


@pytest.fixture(params=list(example.EXAMPLES))
def html(request):
    return page_of(request.param)


def test_nothing_comes_from_elsewhere(html):
    document = Document(html)
    for tag, attributes, _ in document.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert re.match(r"#|data:(,|text/csv;charset=utf-8,)", attributes.get(name) or "#"), (tag, attributes)
    styles = re.findall(r"(?:url\(|@import)[^)\s]*", html)
    assert all(style.startswith("url(#") for style in styles)
    assert len(html.encode()) < 3_000_000


def test_one_script_and_it_is_ours(html):
    document = Document(html)
    assert len(document.all("script")) == 1
    assert "<script>alert" not in html
    assert not [name for _, attributes, _ in document.elements for name in attributes if name.startswith("on")]


def test_every_drawing_has_a_name(html):
    document = Document(html)
    ids = [attributes["id"] for _, attributes, _ in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in document.all("svg"):
        if attributes.get("aria-hidden") == "true":
            continue
        assert attributes["role"] in ("img", "group")
        names = attributes.get("aria-labelledby", "").split()
        assert attributes.get("aria-label") or (names and set(names) <= set(ids))


def test_references_within_the_page_lead_somewhere(html):
    document = Document(html)
    ids = {attributes["id"] for _, attributes, _ in document.elements if "id" in attributes}
    links = {attributes["href"][1:] for attributes in document.all("a") if "download" not in attributes}
    drawn = {attributes["xlink:href"][1:] for attributes in document.all("use")}
    assert links | drawn | set(re.findall(r"url\(#([^)]+)\)", html)) <= ids


def test_charts_have_no_colours_of_their_own(html):
    for chart in re.findall(r'<svg class="chart".*?</svg>', html, re.DOTALL):
        assert re.findall(r"#[0-9a-fA-F]{6}\b", chart) == []


def test_hostile_text_is_text():
    document = Document(page_of("ugly"))
    assert document.text.count(example.NASTY) > 5


def test_the_answer_comes_first_and_what_is_missing_with_it():
    text = Document(page_of("ugly")).text
    assert text.index("No recommendation") < text.index("This run is not") < text.index("Latency and throughput")


def test_charts_of_a_sweep():
    document = Document(page_of("sweep"))
    titles = re.findall(r'<title id="([\w-]+)-title">', page_of("sweep"))
    assert titles == [
        "p50-throughput",
        "p99-throughput",
        "throughput-load",
        "p99-latency-load",
        "mean-batch-size-load",
        "cpu-of-the-target-load",
    ]
    assert "SLO: p99 \u2264 50 ms" in document.text
    assert "No GPU on this machine." in document.text


def texts_of_chart(slo, key):
    report = example.EXAMPLES["sweep"]()
    html = page_html(example.ReportInput(plan=example._replace(report.plan, slo=slo), result=report.result))
    svg = next(each for each in re.findall(r"<svg.*?</svg>", html, re.DOTALL) if f'<title id="{key}-title">' in each)
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_limit_far_above_the_figures_is_named_and_leaves_the_chart_to_them():
    near, far, without = (
        texts_of_chart(slo, "p99-throughput") for slo in (parse_slo("p99<50ms"), parse_slo("p99<9s"), None)
    )
    assert set(far) - set(without) == {"SLO: p99 \u2264 9000 ms (above this chart)"}
    assert set(without) <= set(far)
    assert "SLO: p99 \u2264 50 ms" in near


def test_no_curves_for_a_single_point():
    assert '<svg class="chart" viewBox="0 0 400' not in page_of("one_point")


@pytest.mark.parametrize("name", ["sweep", "ugly"])
def test_the_same_run_gives_the_same_bytes(name, tmp_path):
    build = example.EXAMPLES[name]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_reports(tmp_path / folder, build())
    for file in ("report.html", "points.csv", "summary.md", "junit.xml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_knob_may_be_called_anything():
    settings = [{"policy": value} for value in ("$\\frac{1$", "\u6f22\u5b57", "a\nb", "x" * 80)]
    assert "\u6f22\u5b57" in Document(page_html(example.sweep(settings))).text


def test_arrivals_without_a_load_level_are_drawn_by_throughput_alone():
    report = example.sweep([{"batch_size": size, "replicas": 1} for size in (1, 4)], loads=(8,))
    points = tuple(example._replace(point, concurrency=None, arrivals="stages") for point in report.result.points)
    stages = Stages(stages=(Stage(seconds=1, start_rps=1, end_rps=9),))
    plan_points = tuple(example._replace(point, arrivals=stages) for point in report.plan.points)
    changed = example.ReportInput(
        plan=example._replace(report.plan, points=plan_points), result=example._replace(report.result, points=points)
    )
    titles = re.findall(r'<title id="([\w-]+)-title">', page_html(changed))
    assert titles == ["p50-throughput", "p99-throughput"]
    assert "stages" in summary_markdown(changed)


def test_the_summary_is_plain_markdown():
    text = summary_markdown(example.ugly())
    assert "<script" not in text
    assert not re.search(r"[\x00-\x08\x1b]", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {10}
    assert "**Not complete**: 2 missing." in text
    recommended = "| **batch_size=64, 128 users** |"
    assert recommended in summary_markdown(example.sweep())


def test_the_summary_is_small_whatever_the_run():
    wide = [{"batch_size": size, "replicas": r} for size in range(1, 60) for r in range(1, 6)]
    text = summary_markdown(example.sweep(wide))
    assert len(text.encode()) < 100_000
    assert "1\u202f080 more" in text or "1080 more" in text


def test_text_for_a_log_and_for_a_terminal():
    report = example.sweep()
    plain, fancy = result_text(report, terminal=False), result_text(report, terminal=True)
    assert plain.splitlines()[-1] == report.result.recommendation.sentence
    assert "\x1b" not in plain
    assert "\x1b[" in fancy
    row = next(line for line in plain.splitlines() if line.split()[:2] == ["64", "128"])
    assert row.split()[-1] == "VALID"
    assert "too_few_samples" in plain


def test_text_does_not_steer_a_terminal():
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", result_text(example.ugly(), terminal=False))
    assert "missing: batch_size=4-users=32, repeat 2: not measured" in result_text(example.ugly(), terminal=False)


def test_nothing_measured_is_said():
    assert result_text(example.nothing(), terminal=False).endswith("No recommendation: nothing was measured.")


def test_a_plan_in_words():
    text = plan_text(example.sweep().plan, 200.0)
    assert "16 points x 2 repeats = 32 trials of 0.5\u202fs + 2\u202fs, seed 0" in text
    assert text.endswith("about 3\u202fmin 20\u202fs")


def test_a_point_whose_responses_were_all_bad_has_no_p99():
    text = Document(page_of("ugly")).text  # nine errors at its second point
    assert "Without a p99, because no good response came: " in text


def test_open_requests_are_explained_where_they_matter_and_nowhere_else():
    assert "An arrow up" in page_of("ugly")
    assert "\u2191" in page_of("ugly")
    assert "An arrow up" not in page_of("sweep")
