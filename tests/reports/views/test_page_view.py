import dataclasses
import itertools

import example_runs as example
import msgspec
import pytest

from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, StreamMetrics, Timeline, TimeSplit, Usage
from harness.judge.run_summary import run_verdict
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import TuneSpace
from harness.plan.slo import Slo, parse_slo
from reports.charts.gallery import MARKS, colours, limits_of
from reports.charts.xy import MARKERS
from reports.views.curves import MAX_LINES, curves, hollow
from reports.views.findings import finding_groups
from reports.views.page_view import page
from reports.views.timeline import HEIGHT, WIDTH, timelines
from reports.views.usage import gpu_words, split_rows, split_sources, usage_table

replace = msgspec.structs.replace
BY_STATUS = LoadSettings(measure_s=2.0, expect="status=200", check="sample")
OF_BEST = "the run\u2019s verdict is that of the recommended point"
LEFT_OUT = "the run is DEGRADED, since INVALID points were left out"


def test_the_headline_is_the_recommended_point_with_service_beside_response():
    report = example.sweep()
    figures = {figure.name: figure for figure in page(report).headline}
    best = report.result.points[15]
    assert page(report).headline_of == "batch_size=64, 128 users"
    assert figures["Over the baseline"].value == "6.2\u00d7"
    assert figures["p99 response"].value == f"{best.response.at(0.99).value_ms:.1f}"
    assert figures["p99 response"].notes[1] == f"service {best.service.at(0.99).value_ms:.3g}\u202fms"


@pytest.mark.parametrize(
    ("objective", "name", "unit"),
    [
        ("goodput", "Throughput", "req/s"),
        ("tokens_per_s", "Throughput", "tokens/s"),
        ("cost", "Throughput per core", "responses per core second"),
    ],
)
def test_the_first_card_of_a_search_has_the_unit_of_its_objective(objective, name, unit):
    report = example.sweep(tune=TuneSpace(values={}, levels=(), objective=objective))
    latency = report.result.points[15].response
    stream = StreamMetrics(
        ttft=latency, itl=latency, tpot=latency, tokens_per_s=Interval(400.0), prompt_tokens=None, output_tokens=None,
        in_flight=None,
    )  # fmt: skip
    points = tuple(replace(point, stream=stream) for point in report.result.points)
    found = replace(report.result.recommendation, rate_rps=Interval(6.0, 5.9, 6.1))
    result = replace(report.result, points=points, recommendation=found)
    first = page(dataclasses.replace(report, result=result)).headline[0]
    assert (first.name, first.value, first.unit) == (name, "6", unit)


def test_the_table_has_a_row_per_point_and_says_what_a_percentile_needs():
    view = page(example.sweep())
    assert len(view.points.rows) == 16
    assert view.points.best == 15
    assert all(len(row) == len(view.points.columns) for row in view.points.rows)
    cell = view.points.rows[0][view.points.columns.index("p99.9 ms")]
    tail = example.sweep().result.points[0].response.at(0.999)
    # The observed value, so that no percentile reads as less than a lower one, and the bound beside it.
    assert cell.text == f"{tail.value_ms:.3g}\u202f\u2191"
    assert (cell.note, cell.muted) == (f"\u2265\u202f{tail.low_ms:.3g}; needs 9\u202f800 more", True)


def test_trials_within_a_budget_are_counted_as_they_were_made():
    report = example.sweep()
    first, second, *_ = report.plan.trials
    trials = (first, second, replace(first, seconds=4.0, number=90), replace(first, seconds=4.0, number=91))
    plan = replace(report.plan, trials=trials, budget_seconds=180.0)
    facts = dict(page(dataclasses.replace(report, plan=plan)).method)
    within = "within a budget of 3\u202fmin, each chosen by the results before it"
    assert facts["Repeats"] == f"1 to 3 per point; 4 trials {within}, seed {plan.seed}"
    assert plan.seconds == 2.0
    assert facts["Each trial"].endswith("then 2\u202fs to 4\u202fs measured")
    assert "in shuffled blocks" in dict(page(report).method)["Repeats"]


@pytest.mark.parametrize(
    ("plan", "tolerance", "checked", "said"),
    [
        ({}, (1e-3, 1e-6), 80, "80 % against MODEL within 0.001 relative + 1e-06 absolute (--check all); 10 wrong"),
        ({"payloads": "x"}, (0.0, 0.0), 80, "80 % against the responses of --bank EXACT (--check all); 10 wrong"),
        ({"load": BY_STATUS}, None, 80, "80 % by --expect (--check sample); 10 wrong"),
        ({"load": BY_STATUS}, (0.0, 0.0), 80, "80 % by --expect and against MODEL EXACT (--check sample); 10 wrong"),
        ({"own_requests": True}, None, 80, "80 % by the tasks themselves; 10 wrong"),
        ({}, None, 0, "none: no right response is known"),
        ({"fixed": {"check": "off"}}, None, 0, "none (--check off)"),
    ],
)
def test_what_decided_whether_responses_were_right_is_said(plan, tolerance, checked, said):
    report = example.one_point()
    (point,) = report.result.points
    counts = Counts(scheduled=100, sent=100, ok=90, wrong=10, checked=checked)
    point = replace(point, counts=counts, trials=(replace(point.trials[0], tolerance=tolerance),))
    result = replace(report.result, points=(point,))
    view = page(dataclasses.replace(report, plan=replace(report.plan, **plan), result=result))
    for short, words in (("MODEL", "the model\u2019s own prediction"), ("EXACT", "within 0 relative + 0 absolute")):
        said = said.replace(short, words)
    assert dict(view.method)["Responses checked"].replace("\u202f", " ") == said


def test_requests_are_conserved_or_it_is_said():
    lost, accounted = page(example.ugly()).conserved, page(example.sweep()).conserved
    assert [line.holds for line in accounted] == [True, True]
    assert [line.holds for line in lost] == [True, True]
    broken = example.one_point()
    point = broken.result.points[0]
    counts = replace(point.counts, sent=point.counts.sent - 1)
    result = replace(broken.result, points=(replace(point, counts=counts),))
    view = page(example.ReportInput(plan=broken.plan, result=result))
    assert [line.holds for line in view.conserved] == [False, False]
    assert "\u2260" in view.conserved[0].text


def test_an_unknown_instant_is_left_as_it_is():
    assert "2026-11-24 04:12 UTC" in page(example.sweep()).subtitle


def test_the_same_finding_on_many_points_is_one_paragraph():
    groups = finding_groups(example.sweep().result.points)
    assert [(group.title, group.where) for group in groups] == [
        ("Too few samples for some percentiles", "4 of 16 points"),
        ("Not all responses were checked", "batch_size=64, 128 users"),
    ]
    assert [point for point, *_ in groups[0].details][1] == "batch_size=4, 1 user"
    assert groups[1].details == ()


def test_the_worst_finding_comes_first():
    groups = finding_groups(example.ugly().result.points)
    assert [group.verdict for group in groups] == ["INVALID", "INVALID", "DEGRADED"]


def test_a_line_per_setting_over_load():
    lines = curves(example.sweep().result)
    assert lines.title == "batch_size"
    assert [line.name for line in lines.lines] == ["1", "4", "16", "64"]
    assert [point.concurrency for point in lines.lines[0].points] == [1, 8, 32, 128]


def test_over_the_knob_where_there_is_one_load():
    lines = curves(example.one_load().result)
    assert lines.axis.knob == "batch_size"
    assert [lines.axis.text(point) for point in lines.lines[0].points] == ["1", "2", "4", "8", "16", "32", "64"]


def test_more_lines_than_colours_leave_the_slow_ones_grey():
    report = example.grid()
    lines = curves(report.result)
    coloured = {line.name for line in lines.coloured}
    assert len(lines.lines) == 20
    assert len(coloured) == MAX_LINES == len(MARKS) == len(MARKERS)
    names = {point.point: line.name for line in lines.lines for point in line.points}
    assert {
        names[report.result.recommendation.best_point],
        names[report.result.recommendation.baseline_point],
    } <= coloured
    fastest = max(report.result.points, key=lambda point: point.throughput_rps.value)
    assert names[fastest.point] in coloured


def test_a_chart_has_the_limits_that_all_requests_together_are_held_to():
    bounds, own = parse_slo("p99<50ms").bounds, parse_slo("p99<20ms").bounds
    limits = [
        limits_of(replace(example.sweep().plan, slo=slo))
        for slo in (None, Slo(bounds=bounds), Slo(bounds=bounds, of_classes={"predict": own, "explain": bounds}))
    ]
    assert limits == [{}, {"p99": (50.0, "SLO: p99 \u2264 50 ms")}, {}]


@pytest.mark.parametrize("report", [example.sweep(), example.grid(), example.one_load()])
def test_colours_differ(report):
    found = colours(curves(report.result))
    assert all(a.light != b.light and a.dark != b.dark for a, b in itertools.combinations(found, 2))


def test_what_cannot_be_believed_is_hollow():
    assert [hollow(point) for point in example.open_loop().result.points] == [False] * 4 + [True] * 2


def test_the_parts_of_a_bar_fill_it():
    split = TimeSplit(send_ms=1.0, queue_ms=2.0, compute_ms=5.0, rest_ms=2.0)
    (row,) = split_rows([replace(example.one_point().result.points[0], split=split)])
    assert [(segment.part, segment.start, segment.width) for segment in row.segments] == [
        ("send", 0.0, 10.0),
        ("queue", 10.0, 20.0),
        ("compute", 30.0, 50.0),
        ("rest", 80.0, 20.0),
    ]
    assert row.parts == ("1", "2", "\u2013", "\u2013", "5", "\u2013", "2", *["\u2013"] * 5)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"read_ms": 0.1, "client_ms": 0.2, "prefill_ms": 1.0, "decode_ms": 2.0}, "The server reports no part of it: "),
        ({"compute_ms": 2.0, "source": "Server-Timing"}, "The server reports its parts with each response."),
        ({"compute_ms": 2.0, "source": "Triton"}, "The server's parts are from Triton: "),
    ],
)
def test_a_server_is_said_to_report_only_what_it_reports(parts, said):
    split = TimeSplit(send_ms=0.1, rest_ms=1.0, **parts)
    assert split_sources([replace(example.one_point().result.points[0], split=split)]).startswith(said)


def test_a_column_that_nobody_has_is_left_out_and_an_absent_gpu_is_said():
    points = example.sweep().result.points
    assert not any("GPU" in column for column in usage_table(points).columns)
    assert gpu_words([point.usage for point in points], {}) == "No GPU on this machine."
    assert "no readings" in gpu_words([point.usage for point in points], {"GPU 0": {}})
    with_gpu = (*points[:1], replace(points[1], usage=example.gpu_usage()))
    table = usage_table(with_gpu)
    assert gpu_words([point.usage for point in with_gpu], {}) == ""
    column = table.columns.index("GPU power, W")
    assert [row.cells[column] for row in table.rows] == ["\u2013", "212"]


def test_figures_of_a_machine_on_which_the_target_may_not_run_are_said_to_be_of_this_one():
    point = example.one_point().result.points[0]
    used = replace(example.gpu_usage(), package_energy_j=100.0)
    here = usage_table([replace(point, usage=replace(used, cpu_target_cores=0.5))]).columns
    elsewhere = usage_table([replace(point, usage=replace(used, cpu_target_cores=None))]).columns
    assert {"GPU power, W", "CPU energy, J"} <= set(here)
    assert {"GPU power, W (this machine)", "CPU energy, J (this machine)"} <= set(elsewhere)
    assert not any(column.endswith("(this machine)") for column in here)


def test_no_samples_draw_no_bar():
    (row,) = usage_table([replace(example.one_point().result.points[0], usage=Usage())]).rows
    assert (row.target_bar, row.load_bar, row.cores) == (0.0, 0.0, ())


def test_a_timeline_is_scaled_and_cut_where_bins_are_empty():
    line = Timeline(
        bin_s=1.0,
        t_s=(-0.5, 0.5, 1.5, 2.5),
        throughput_rps=(0.0, 50.0, 100.0, 100.0),
        p50_ms=(None, 1.0, None, 2.0),
        p99_ms=(None,) * 4,
    )
    report = example.one_point()
    point = report.result.points[0]
    trial = replace(point.trials[0], timeline=line, seconds=2.0)
    (view,) = timelines([replace(point, trials=(trial,))])
    (shown,) = view.trials
    assert (shown.window_x, shown.window_width) == (WIDTH / 4, WIDTH / 2)
    throughput, response = shown.panels
    assert throughput.traces[0].lines == (f"37.5,{HEIGHT:g} 112.5,32 187.5,4 262.5,4",)
    assert response.traces[0].dots == ((112.5, 32.0), (262.5, 4.0))
    assert response.top == "2"


def test_a_run_of_one_verdict_says_what_it_means():
    assert page(example.one_point()).verdict_words == "believe it; 1 point VALID"
    assert page(example.nothing()).verdict == Verdict.INVALID


@pytest.mark.parametrize(
    ("verdicts", "best", "baseline", "run", "words"),
    [
        ("VVD", 0, None, "VALID", f"2 points VALID, 1 DEGRADED; {OF_BEST}"),
        ("VVD", 0, 2, "DEGRADED", f"2 points VALID, 1 DEGRADED; {OF_BEST}, or of its baseline if that is worse"),
        (
            "VVD",
            None,
            None,
            "DEGRADED",
            "2 points VALID, 1 DEGRADED; the run\u2019s verdict is that of its worst point",
        ),
        ("VVI", 0, 1, "DEGRADED", f"2 points VALID, 1 INVALID; {LEFT_OUT}"),
        ("VIV", None, None, "DEGRADED", f"2 points VALID, 1 INVALID; {LEFT_OUT}"),
        ("DIV", 0, None, "DEGRADED", f"1 point VALID, 1 DEGRADED, 1 INVALID; {OF_BEST}"),
    ],
)
def test_the_words_beside_the_verdict_are_true_of_how_it_is_found(verdicts, best, baseline, run, words):
    meant = {"V": Verdict.VALID, "D": Verdict.DEGRADED, "I": Verdict.INVALID}
    report = example.one_load()
    points = tuple(
        replace(point, verdict=meant[letter]) for point, letter in zip(report.result.points, verdicts, strict=False)
    )
    found = replace(report.result.recommendation, best_point=best, baseline_point=baseline)
    verdict = run_verdict(found, points)
    result = replace(report.result, points=points, recommendation=found, verdict=verdict)
    assert (verdict, page(dataclasses.replace(report, result=result)).verdict_words) == (run, words)


def test_users_are_singular_and_plural():
    points = [example.point_of(0, {}, Closed(users=users)) for users in (1, 2)]
    result = replace(example.one_point().result, points=tuple(points))
    view = page(example.ReportInput(plan=example.plan_of(points), result=result))
    assert [row[0].text for row in view.points.rows] == ["1 user", "2 users"]


def test_the_card_does_not_speak_of_one_engine_where_engines_were_swept():
    served = {"engine": "onnxruntime", "precision": "int8", "served_accuracy": 0.97}

    def card_of(report):
        result = replace(report.result, model=replace(example.MODEL, **served))
        return dict(page(dataclasses.replace(report, result=result)).model)

    assert card_of(example.sweep())["Engine"] == "onnxruntime int8"
    swept = card_of(example.sweep(settings=[{"engine": "litert"}, {"engine": "xla"}]))
    assert "Held-out accuracy" in swept
    assert "Engine" not in swept
    assert "Held-out accuracy as served" not in swept
