"""What the page shows of two variants that were measured in turn."""

from __future__ import annotations

import re

from harness.judge.interval import Interval
from harness.judge.paired_result import FAILED, THROUGHPUT, PairedComparison, PairedFigure, PairedLevel
from harness.judge.significance import Change
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point
from reports.views.pairs import pairs_view

PLAN = Plan(
    target="batched",
    scenario="scenarios/predict.py",
    points=tuple(Point(number=number, setting={}, arrivals=Closed(users=8)) for number in range(2)),
    load=LoadSettings(warmup_s=0.5, measure_s=2.0),
)


def compared(*ratios):
    figures = (
        PairedFigure(
            name=THROUGHPUT,
            ratio=Interval(0.8, 0.75, 0.85),
            change=Change.REGRESSION,
            pairs=len(ratios),
            deviation=0.02,
            each_pair=ratios,
        ),
        PairedFigure(name=FAILED, ratio=Interval(0.0, -0.001, 0.001), change=Change.EQUIVALENT, pairs=4, deviation=0.0),
    )
    level = PairedLevel(points=(0, 1), figures=figures, change=Change.REGRESSION)
    return PairedComparison(change=Change.REGRESSION, margin=0.05, variants=("A", "B"), levels=(level,), finds=0.04)


def test_a_dot_for_each_pair_and_a_row_for_each_figure():
    view = pairs_view(PLAN, compared(0.78, 0.81, 0.8, 0.82))
    assert [[cell.text for cell in row[:2]] for row in view.table.rows] == [
        ["8 users", "throughput"],
        ["8 users", "failed"],
    ]
    throughput = view.table.rows[0]
    assert [throughput[2].text, throughput[2].note, throughput[4].text] == ["\u00d70.8", "0.75\u20130.85", "worse"]
    (drawing,) = view.drawings
    assert drawing.title == "Throughput at 8 users"
    told = dict(re.findall(r"pair (\d): \u00d7([\d.]+)", drawing.svg))
    assert told == {"1": "0.78", "2": "0.81", "3": "0.8", "4": "0.82"}


def test_two_pairs_have_no_picture_and_another_run_no_section():
    assert pairs_view(PLAN, compared(0.78, 0.81)).drawings == ()
    assert pairs_view(PLAN, None) is None
