"""Tables on a narrow terminal, and text in summary.md."""

import contextlib
import re

import example_runs
import msgspec
import pytest

from harness.judge.findings import Verdict
from harness.plan.arrivals import Poisson
from reports.text.serving_texts import serving_texts
from reports.text.summary_md import plain
from reports.text.terminal_table import Terminal


def test_words_are_whole_on_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words = ["default", "workers=0,", "batch=32,", "threads=16", "INVALID:", "unchecked,", "too_few_samples"]
    columns = {
        "Setting": ["default", "workers=0, batch=32, threads=16"],
        "Load": ["8 users", "128 users"],
        "req/s": ["114", "12 300"],
        "p99 ms": ["135 \u2191", "56.8 \u2191"],
        "SLO": ["missed", "undecided"],
        "Verdict": ["INVALID: harmed", "INVALID: harmed, unchecked, too_few_samples"],
    }
    table = Terminal(True).table(columns, [Verdict.INVALID] * 2, text={"Setting", "Load", "Verdict"}, best=1)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", table)
    assert {word for word in words if word not in shown} == set()
    assert max(map(len, shown.splitlines())) <= 80


def test_users_and_rates_of_a_capacity_run_are_told_apart():
    report = example_runs.sweep()
    points = tuple(msgspec.structs.replace(each, arrivals=Poisson(rate_rps=3000.0)) for each in report.plan.points[1:])
    mixed = msgspec.structs.replace(report.plan, points=(report.plan.points[0], *points))
    assert "load" in serving_texts(mixed).terminal_columns
    assert "users" in serving_texts(report.plan).terminal_columns


@pytest.mark.parametrize("width", [12, 30, 60])
def test_on_a_terminal_that_is_too_narrow_each_point_is_a_list_that_misses_nothing(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    columns = {
        "Setting": ["default", "workers=0, batch=32, threads=16"],
        "req/s": ["114", "12 300"],
        "p99 ms": ["135 \u2191", "56.8 \u2191"],
        "p99 95 %": ["", "40\u201370"],
        "failed": ["0", "1 000 000"],
        "Verdict": ["INVALID: harmed", "INVALID: harmed, unchecked, too_few_samples"],
    }
    table = Terminal(True).table(columns, [Verdict.INVALID] * 2, text={"Setting", "Verdict"}, best=1)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", table)
    whole = [f"{title}: {cell}" for title, column in columns.items() for cell in column if cell]
    assert [line for line in whole if line not in shown] == []


@pytest.mark.parametrize("text", ["batch_size=4 at p99<50ms, p99 < 50 ms, a & b > c", "a=1/b_c_d.py"])
def test_what_markdown_reads_as_text_stays(text):
    assert plain(text) == text


@pytest.mark.parametrize("text", ["_a_", "__a__", "a_ b_", "<b>", "</b>", "<!-- x", "&lt;", "&#60;", "[a](b)", "`a`",
                                  "a|b", "*a*", "> quoted", "@someone", "#12", "~~a~~", "$a$", "\\*"])  # fmt: skip
def test_what_markdown_reads_as_more_than_text_is_escaped(text):
    shown = plain(text)
    left = re.sub(r"&(#\d+|amp|lt|gt);", "", shown)
    assert shown != text
    assert not re.search(r"[\\`*\[\]|#~$@]|&|<|^>|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])", left)


def test_without_standard_output_a_table_is_plain():
    with contextlib.redirect_stdout(None):  # as `gate` has it while it measures
        assert "114" in Terminal(None).table({"req/s": ["114"]}, [Verdict.VALID], text=set(), best=0)
