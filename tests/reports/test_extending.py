"""A new check and a new column, added in a module of this test as CONTRIBUTING says, and found in the reports."""

import importlib
import sys
from dataclasses import replace

import example_runs as example
import msgspec
import pytest
from evidence_of import closed_loop, evidence_of, summarise_point

from harness.judge import checks
from harness.judge.findings import Verdict
from reports import csv_columns
from reports.junit import junit_xml
from reports.page import page_html
from reports.points_csv import points_csv
from reports.text.summary_md import summary_markdown

MODULE = """
from harness.judge.checks.case import finding
from harness.judge.findings import FindingKind, Verdict

SLOW_START = FindingKind("slow_start", "The first request was slow")
MOST_MS = 5.0


def slow_start(case):
    first_ms = case.rows.response.values_ns[0] / 1e6
    if first_ms <= MOST_MS:
        return None
    text = f"The first request took {first_ms:.0f} ms."
    return finding(SLOW_START, Verdict.DEGRADED, text, "Warm up longer (--warmup).", first_ms=first_ms)


def slow_point(metrics):
    if metrics.response.mean_ms > MOST_MS:
        yield finding(SLOW_START, Verdict.VALID, "All of it was slow.", "")


def mean_ms(point):
    return f"{point.response.mean_ms:.1f}"
"""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A check of each kind and a column, from a module outside the project."""
    (tmp_path / "my_additions.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("my_additions")
    monkeypatch.setattr(checks, "TRIAL_CHECKS", (*checks.TRIAL_CHECKS, module.slow_start))
    monkeypatch.setattr(checks, "POINT_CHECKS", (*checks.POINT_CHECKS, module.slow_point))
    monkeypatch.setitem(csv_columns.COLUMNS, "mean_ms", module.mean_ms)
    yield module
    del sys.modules["my_additions"]


@pytest.fixture
def report(added):
    trial = evidence_of(closed_loop(response_ms=10.0, spread=0.01))
    point = summarise_point(trial.point, [trial], None)
    base = example.sweep()
    setting = base.result.points[0].setting
    point = msgspec.structs.replace(point, setting=setting)
    return replace(base, result=msgspec.structs.replace(base.result, points=(point,)))


def test_a_new_check_decides_the_verdict_and_is_in_every_report(report):
    (point,) = report.result.points
    found = {(finding.kind, finding.text) for finding in point.findings}
    assert found >= {("slow_start", "The first request took 10 ms."), ("slow_start", "All of it was slow.")}
    assert point.verdict is Verdict.DEGRADED
    for text in (page_html(report), summary_markdown(report), junit_xml(report)):
        assert "The first request was slow" in text
        assert "The first request took 10 ms." in text


def test_a_new_column_is_one_entry(report):
    header, line = points_csv(report.result.points, report.plan).splitlines()
    assert header.endswith(",mean_ms")
    assert line.endswith(",10.0")
