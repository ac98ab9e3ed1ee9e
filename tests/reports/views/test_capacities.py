"""The capacity of each setting, wherever a report shows it."""

import dataclasses

import example_runs as example
import msgspec
import pytest

from harness.judge.interval import Interval
from harness.judge.run_result import Capacity
from reports.page import page_html
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import result_text
from reports.views.capacities import capacities_table


def capacity_of(batch_size, rate_rps, kept_rps, missed_rps, trials, why_none=""):
    known = {"rate_rps": rate_rps, "kept_rps": kept_rps, "missed_rps": missed_rps, "trials": trials}
    return Capacity(setting={"batch_size": batch_size}, why_none=why_none, **known)


NEVER = capacity_of(1, None, None, 250.0, 4, "cannot be said yet")
KNOWN = capacity_of(16, Interval(1500.0, 1450.0, 1560.0), 1400.0, 1600.0, 12)
ALWAYS = capacity_of(64, None, 2000.0, None, 6)


def report_of(*capacities):
    report = example.sweep()
    return dataclasses.replace(report, result=msgspec.structs.replace(report.result, capacities=capacities))


def test_every_setting_has_a_row_whether_it_keeps_the_limit_or_not():
    table = capacities_table(report_of(NEVER, KNOWN, ALWAYS).result)
    assert [[(cell.text, cell.note) for cell in row] for row in table.rows] == [
        [("batch_size=1", ""), ("4", ""), ("\u2013", ""), ("250", ""), ("\u2013", "cannot be said yet")],
        [("batch_size=16", ""), ("12", ""), ("1\u202f400", ""), ("1\u202f600", ""),
         ("1\u202f500", "1\u202f450\u20131\u202f560")],
        [("batch_size=64", ""), ("6", ""), ("2\u202f000", ""), ("\u2013", ""), ("\u2265\u202f2\u202f000", "")],
    ]  # fmt: skip
    assert table.best == 2  # point 15, which the example recommends, has batch_size=64


def test_terminal_and_summary_have_the_same_rows():
    report = report_of(NEVER, KNOWN)
    (line,) = [line for line in summary_markdown(report).splitlines() if line.startswith("| batch_size=16 |")]
    assert line == "| batch_size=16 | 12 | 1\u202f400 | 1\u202f600 | 1\u202f500 (1\u202f450\u20131\u202f560) |"
    (line,) = [line for line in result_text(report, terminal=False).splitlines() if "batch_size=1 " in line[:14]]
    assert line.split() == ["batch_size=1", *["4", "–", "250", "–", "(cannot", "be", "said", "yet)"]]


@pytest.mark.slow
def test_the_page_has_a_section_for_them():
    assert '<section id="capacities">' in page_html(report_of(NEVER, KNOWN))
    assert '<section id="capacities">' not in page_html(report_of(KNOWN))


def test_of_one_setting_the_sentence_says_all():
    assert capacities_table(report_of(KNOWN).result) is None
    assert result_text(report_of(KNOWN)) == result_text(example.sweep())
