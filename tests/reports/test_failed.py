"""*Failed* has one meaning: scheduled requests without a good response, wherever a report shows it."""

import csv
import io
from dataclasses import replace

import example_runs as example
import msgspec

from harness.judge.interval import Interval
from harness.judge.metrics import ClassMetrics, Counts, StreamMetrics
from harness.plan.slo import parse_slo
from reports.points_csv import points_csv
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import result_text
from reports.views.classes import classes_csv, classes_table, servers_csv, servers_table
from reports.views.points_table import points_table

# 5021 of the 6000 that were due brought a good response; 979 did not, 900 of them because they were never sent.
COUNTS = Counts(
    scheduled=6000, not_sent=900, sent=5100, ok=5021, wrong=1, error=2, timeout=3, rejected=4, aborted=60, unknown=9
)


def example_report():
    report = example.sweep()
    point = report.result.points[0]
    one = ClassMetrics(
        name="predict",
        share=0.5,
        counts=COUNTS,
        throughput_rps=point.throughput_rps,
        goodput_rps=None,
        response=point.response,
        service=point.service,
        slo=None,
        meets_slo=None,
    )
    point = msgspec.structs.replace(point, counts=COUNTS, classes=(one, one))
    return replace(report, result=msgspec.structs.replace(report.result, points=(point,)))


def test_its_causes_add_up():
    assert COUNTS.failed == sum(COUNTS.failures.values()) == 979


def test_page_terminal_summary_classes_and_csv_agree():
    report = example_report()
    points = report.result.points
    table = points_table(report.result, report.plan)
    cell = table.rows[0][table.columns.index("Failed")]
    assert (cell.text, cell.key) == ("979", "979")
    assert cell.note == "1 wrong, 2 error, 3 timeout, 4 rejected, 60 aborted, 9 unknown, 900 not sent"
    assert " 979 " in result_text(report, terminal=False)
    assert "| 979 |" in summary_markdown(report)
    for text in (summary_markdown(report), result_text(report, terminal=False)):  # of the point in the headline
        lines = [line for line in text.splitlines() if "predict" in line and "979" in line]
        assert len(lines) == 2
    classes = classes_table(points)
    assert classes.rows[0][classes.columns.index("Failed")].text == "979"
    for text in (points_csv(points, report.plan), classes_csv(points, report.plan)):
        assert next(csv.DictReader(io.StringIO(text)))["failed"] == "979"


def test_servers_have_a_table_and_a_file_of_their_own():
    report = example_report()
    point = report.result.points[0]
    servers = [msgspec.structs.replace(point.classes[0], name=name) for name in ("http://a:1", "http://b:1")]
    points = (msgspec.structs.replace(point, servers=tuple(servers)),)
    table = servers_table(points)
    assert [row[table.columns.index("Server")].text for row in table.rows] == ["http://a:1", "http://b:1"]
    assert "p99 over alone" in classes_table(points).columns
    assert not {"p99 over alone", "TTFT p50 ms"} & set(table.columns)  # nothing here was streamed
    assert [line["server"] for line in csv.DictReader(io.StringIO(servers_csv(points, report.plan)))] == [
        "http://a:1",
        "http://b:1",
    ]
    assert servers_table(report.result.points) is None


def test_classes_of_streams_show_tokens_and_first_tokens():
    report = example_report()
    point = report.result.points[0]
    latency = example.latency_of(20.0, 0.2, 500)
    stream = StreamMetrics(
        ttft=latency, itl=latency, tpot=latency, tokens_per_s=Interval(250.0), prompt_tokens=None, output_tokens=9.0,
        in_flight=2.0,
    )  # fmt: skip
    classes = (msgspec.structs.replace(point.classes[0], stream=stream), point.classes[1])
    points = (msgspec.structs.replace(point, classes=classes),)
    table = classes_table(points)
    place = table.columns.index("Output tokens/s")
    assert [row[place].text for row in table.rows] == ["250", "\u2013"]  # the other class generates nothing
    lines = list(csv.DictReader(io.StringIO(classes_csv(points, report.plan))))
    assert [line["tokens_per_s"] for line in lines] == ["250", ""]
    assert lines[0]["ttft_p50_ms"] != "" == lines[1]["ttft_p50_ms"]


def test_the_summary_says_what_misses_an_objective_besides_response_times():
    report = example_report()
    point = report.result.points[0]

    def cells(limit, counts, meets):
        result = msgspec.structs.replace(
            report.result, points=(msgspec.structs.replace(point, counts=counts, meets_slo=meets),)
        )
        plan = msgspec.structs.replace(report.plan, slo=parse_slo(limit))
        lines = summary_markdown(replace(report, plan=plan, result=result)).splitlines()
        (line,) = [line for line in lines if line.startswith("| batch_size")]
        return line

    good = Counts(scheduled=100, sent=100, ok=100)
    assert "| missed: 16\u202f% failed |" in cells("p99<50ms", COUNTS, False)
    assert "| missed: 16\u202f% failed |" in cells("p99<50ms,errors<5%", COUNTS, False)
    assert "| missed |" in cells("p99<50ms,errors<20%", COUNTS, False)  # by its p99
    assert "| missed |" in cells("p99<50ms", good, False)
    assert "| met |" in cells("p99<50ms", good, True)
