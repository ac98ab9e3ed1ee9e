"""Runs over time: one file, trends, changes of level, changes of machine."""

import math

import msgspec
import numpy as np
import pytest

from harness.errors import UserError
from harness.judge.findings import Verdict
from harness.judge.gate.baseline import Baseline, BaselinePoint
from harness.judge.history.history_file import add_runs, read_history
from harness.judge.history.trend import trends
from harness.judge.interval import Interval
from harness.plan.plan import Plan
from harness.record.machine.environment import capture
from reports.trend.trend_page import trend_html
from reports.trend.trend_text import trend_lines

HERE = capture()
OTHER = msgspec.structs.replace(HERE, cpu=msgspec.structs.replace(HERE.cpu, model="Another CPU"))
PLAN = Plan(target="batched", scenario="predict", model="digits-mlp")


def run(number, rate, environment=HERE, verdict=Verdict.VALID):
    figures = {"throughput": Interval(rate, 0.97 * rate, 1.03 * rate), "failed": Interval(0.0)}
    point = BaselinePoint(key="8", label="8 users", verdict=verdict, scheduled=100, figures=figures)
    return Baseline(
        made_at=f"2026-11-{number + 1:02}", commit=f"commit{number}", harness_version="1", environment=environment,
        plan=PLAN, points=(point,),
    )  # fmt: skip


def of_rates(tmp_path, rates, environments=None):
    environments = environments or [HERE] * len(rates)
    path = tmp_path / "history.sqlite"
    add_runs(path, [run(place, rate, each) for place, (rate, each) in enumerate(zip(rates, environments, strict=True))])
    return list(trends(read_history(path)))


def test_a_run_is_added_once_and_read_in_the_order_of_time(tmp_path):
    path = tmp_path / "history.sqlite"
    assert add_runs(path, [run(3, 90), run(1, 100)]) == 2
    assert add_runs(path, [run(1, 100), run(2, 95)]) == 1
    rates = [entry.value for entry in read_history(path) if entry.figure == "throughput"]
    assert rates == [100, 95, 90]


def test_an_invalid_point_is_kept_and_not_shown(tmp_path):
    path = tmp_path / "history.sqlite"
    add_runs(path, [run(1, 100), run(2, 3, verdict=Verdict.INVALID)])
    assert [entry.value for entry in read_history(path) if entry.figure == "throughput"] == [100]


def test_over_ten_commits_the_one_that_made_it_slower_is_named(tmp_path):
    rates = [1000, 1012, 995, 1004, 990, 1008, 880, 874, 885, 879]
    (trend,) = (each for each in of_rates(tmp_path, rates) if each.figure == "throughput")
    (change,) = trend.changes
    assert change.before == 5
    assert change.ratio == pytest.approx(0.878, rel=0.01)  # 879.5 / 1001.5
    assert list(trend_lines([trend])) == ["8 users: throughput ×0.878 between commit5 and commit6"]


def test_noise_alone_has_hardly_a_change(tmp_path):
    rng = np.random.default_rng(3)
    false = 0
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = of_rates(folder, (1000 * np.exp(rng.normal(0, 0.03, 12))).tolist())
        false += any(trend.changes for trend in found)
    assert false <= 2


def test_another_machine_is_marked_and_no_change_of_level(tmp_path):
    rates = [1000, 1010, 990, 1005, 500, 505, 498, 502]
    found = of_rates(tmp_path, rates, [HERE] * 4 + [OTHER] * 4)
    (trend,) = (each for each in found if each.figure == "throughput")
    assert trend.changes == ()
    assert trend.machines == (4,)
    assert [line for line in trend_lines(found) if line.startswith("another machine from commit4 on: Another CPU")]


def test_the_page_has_a_chart_of_each_figure(tmp_path):
    page = trend_html(of_rates(tmp_path, [1000, 1012, 995, 1004, 880, 874, 885]))
    assert page.count('<svg class="trend"') == 2
    assert page.count("<circle") == 14
    assert page.count('<line class="change"') == 1
    assert "commit3, 2026-11-04: 1004 req/s" in page
    assert math.isfinite(float(page.split('cy="')[1].split('"')[0]))


def test_a_file_that_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.sqlite"
    path.write_text("no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(UserError, match="no history can be kept there"):
        read_history(path)
