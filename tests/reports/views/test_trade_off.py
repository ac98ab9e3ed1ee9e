"""Accuracy beside speed on the page: a table, two charts, and nothing where there is nothing to trade."""

import dataclasses

import example_runs as example
import msgspec

from harness.judge.metrics import Accuracy, Steps
from harness.judge.run_result import TradeOffPoint
from harness.record.model_card import ModelCard
from reports.page import page_html
from reports.views.trade_off import steps_table, trade_table


def models():
    """Two models at two loads; the larger is slower and right more often."""
    settings = [{"model": "small"}, {"model": "large"}]
    report = example.sweep(settings, (8, 32))
    shares = {"small": 0.845, "large": 0.9}
    points, found = [], []
    for point in report.result.points:
        share = shares[point.setting["model"]]
        accuracy = Accuracy(value=share, low=share - 0.02, high=share + 0.02, payloads=1000, answers=9000)
        steps = Steps(clean_ms=0.25, normalise_ms=0.125)
        points.append(msgspec.structs.replace(point, accuracy=accuracy, steps=steps))
        if point.concurrency == 32:
            found.append(
                TradeOffPoint(
                    point=point.point, setting=point.setting, meets_slo=True, accuracy=accuracy, on_front=True
                )
            )
    cards = tuple(ModelCard(name=name, parameters=13_258, test_accuracy=share) for name, share in shares.items())
    result = msgspec.structs.replace(report.result, points=tuple(points), trade_off=tuple(found), models=cards)
    return dataclasses.replace(report, result=result)


def cells(table, row):
    return dict(zip(table.columns, [(cell.text, cell.note) for cell in table.rows[row]], strict=True))


def test_each_setting_has_a_row_with_what_it_gives_and_costs():
    report = models()
    table = trade_table(report.result, report.plan)
    assert [row[0].text for row in table.rows] == ["small", "large"]
    small = cells(table, 0)
    assert small["Accuracy %"] == ("84.5", "82.5\u201386.5")
    assert small["Held out %"][0] == "84.5"
    assert small["Parameters"][0].replace("\u202f", "") == "13258"
    assert small["Pareto front"][0] == "on it"


def test_steps_that_no_point_has_are_left_out():
    table = steps_table(models().result.points)
    assert table.columns == ("Point", "Clean ms", "Normalise ms")
    assert [cell.text for cell in table.rows[0]][1:] == ["0.25", "0.125"]
    assert steps_table(example.sweep().result.points) is None


def test_the_page_shows_the_trade_and_only_where_there_is_one():
    html = page_html(models())
    assert html.count("<h2>What accuracy costs</h2>") == 1
    assert "Wrong classes against throughput" in html
    assert "Wrong classes against p99" in html
    assert "Accuracy %" in html
    plain = page_html(example.sweep())
    assert "What accuracy costs" not in plain
    assert "Accuracy %" not in plain
