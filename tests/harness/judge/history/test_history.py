"""Runs over time: one file, trends, changes of level, changes of machine."""

import math
import sqlite3
from contextlib import closing

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
from harness.plan.slo import parse_slo
from harness.record.machine.environment import capture
from reports.trend.trend_page import trend_html
from reports.trend.trend_text import trend_lines

HERE = capture()
OTHER = msgspec.structs.replace(HERE, cpu=msgspec.structs.replace(HERE.cpu, model="Another CPU"))
PLAN = Plan(target="batched", scenario="predict", model="digits-mlp")


def run(number, rate, environment=HERE, plan=PLAN, **more):
    figures = {"throughput": Interval(rate, 0.97 * rate, 1.03 * rate), "failed": Interval(0.0)}
    fields = {"key": "8", "label": "8 users", "verdict": Verdict.VALID, "scheduled": 100, "figures": figures, **more}
    return Baseline(
        made_at=f"2026-11-{number + 1:02}", commit=f"commit{number}", harness_version="1", environment=environment,
        plan=plan, points=(BaselinePoint(**fields),),
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


def test_of_a_point_at_fault_its_failures_are_shown(tmp_path):
    path = tmp_path / "history.sqlite"
    faults = {"errors": "Requests failed"}
    add_runs(path, [run(1, 100), run(2, 3, verdict=Verdict.INVALID, faults=faults)])
    assert [entry.figure for entry in read_history(path)] == ["failed", "failed", "throughput"]


def test_points_of_two_services_are_no_trend_though_their_knobs_and_load_are_the_same(tmp_path):
    path = tmp_path / "history.sqlite"
    others = [
        {"model": "digits-cnn"},
        {"target": "http://127.0.0.1:8000"},
        {"plan": msgspec.structs.replace(PLAN, scenario="image")},
    ]
    add_runs(path, [run(1, 100), *(run(2, 500, **other) for other in others), run(3, 100)])
    found = [trend for trend in trends(read_history(path)) if trend.figure == "throughput"]
    assert [[entry.value for entry in trend.entries] for trend in found] == [[100, 100]]
    assert found[0].label == "8 users (batched, digits-mlp, predict)"


def test_goodput_within_another_limit_is_another_figure(tmp_path):
    path = tmp_path / "history.sqlite"
    plans = [msgspec.structs.replace(PLAN, slo=parse_slo(limit)) for limit in ("p99<50ms", "p99<5ms", "p99<50ms")]
    good = {"figures": {"throughput": Interval(100), "goodput": Interval(90)}}
    add_runs(path, [run(number, 100, plan=plan, **good) for number, plan in enumerate(plans)])
    found = {trend.figure: trend for trend in trends(read_history(path))}
    assert (len(found["throughput"].entries), len(found["goodput"].entries)) == (3, 2)
    assert found["goodput"].label == "8 users (batched, digits-mlp, predict, p99 ≤ 50 ms)"


def test_over_ten_commits_the_one_that_made_it_slower_is_named(tmp_path):
    rates = [1000, 1012, 995, 1004, 990, 1008, 880, 874, 885, 879]
    (trend,) = (each for each in of_rates(tmp_path, rates) if each.figure == "throughput")
    (change,) = trend.changes
    assert change.before == 5
    assert change.ratio == pytest.approx(0.878, rel=0.01)  # 879.5 / 1001.5
    (line,) = trend_lines([trend])
    assert line == "8 users (batched, digits-mlp, predict): throughput ×0.878 between commit5 and commit6"


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
    assert "commit3, 2026-11-04: 1\u202f004 req/s" in page
    assert math.isfinite(float(page.split('cy="')[1].split('"')[0]))


def test_a_file_that_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.sqlite"
    path.write_text("no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(UserError, match="no history can be kept there"):
        read_history(path)


def test_a_table_of_another_program_is_no_history(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (number INTEGER)")
    for use in (read_history, lambda file: add_runs(file, [run(1, 100)])):
        with pytest.raises(UserError, match=r"^--file .*other\.sqlite: no history can be kept there"):
            use(path)
