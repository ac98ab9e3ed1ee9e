"""*Failed* has one meaning: scheduled requests without a good response, wherever a report shows it."""

import csv
import io
from dataclasses import replace

import example_runs as example
import msgspec

from harness.judge.metrics import ClassMetrics, Counts
from reports.points_csv import points_csv
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import result_text
from reports.views.classes import classes_csv, classes_table
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
    classes = classes_table(points)
    assert classes.rows[0][classes.columns.index("Failed")].text == "979"
    for text in (points_csv(points, report.plan), classes_csv(points, report.plan)):
        assert next(csv.DictReader(io.StringIO(text)))["failed"] == "979"
