"""Layouts of processes on the page: what was measured of more of them, and what was only simulated."""

import dataclasses

import example_runs as example
import msgspec

from harness.judge.interval import Interval
from harness.judge.run_result import LayoutMetrics, Scaling
from harness.judge.simulation_result import Prediction, Simulation
from reports.charts.simulated_scaling import draw_simulated
from reports.page import page_html
from reports.views.layouts import scaling_table
from reports.views.simulation import simulation_table, simulation_text

NASTY = "<b>two</b>"


def measured():
    """One process, then two stages that gave 1.6 times as much."""
    report = example.sweep([{"stages": 1}, {"stages": 2}], (32,))
    alone = LayoutMetrics(
        point=0, replicas=1, stages=1, dispatch="port", processes=1, batches_in_flight=1.25, bubble=None,
        busy_share=0.9, speedup=None, efficiency=None, most_speedup=None,
    )  # fmt: skip
    two = msgspec.structs.replace(
        alone, point=1, stages=2, processes=2, bubble=0.4, busy_share=None,
        speedup=Interval(value=1.6, low=1.5, high=1.7), efficiency=0.8, most_speedup=1.85,
    )  # fmt: skip
    scaling = Scaling(cores=2, layouts=(alone, two), sentences=(f"At 32 users {NASTY} stages give most.",))
    return dataclasses.replace(report, result=msgspec.structs.replace(report.result, scaling=scaling))


def simulated():
    prediction = Prediction(
        setting={"replicas": 1, "stages": 1, "dispatch": "queue"}, load="32 users", processes=1,
        throughput_rps=1000.0, p50_ms=30.0, p99_ms=45.5, mean_batch=7.5, busy_share=0.99, speedup=1.0, efficiency=1.0,
    )  # fmt: skip
    more = msgspec.structs.replace(
        prediction, setting={"replicas": 64, "stages": 1, "dispatch": "queue"}, processes=64,
        throughput_rps=16_000.0, speedup=16.0, efficiency=0.25,
    )  # fmt: skip
    found = Simulation(
        slope_ms=0.5, base_ms=1.0, request_ms=0.1, travel_ms=0.1, batches=900, busy_trials=3, pieces_ms=(),
        predictions=(prediction, more), sentences=(f"{NASTY} replicas are not worth it beyond 16.",),
    )  # fmt: skip
    report = measured()
    return dataclasses.replace(report, result=msgspec.structs.replace(report.result, simulation=found))


def cells(table, row):
    return dict(zip(table.columns, [(cell.text, cell.note) for cell in table.rows[row]], strict=True))


def test_each_layout_has_a_row_with_what_it_gave_and_could_give():
    report = measured()
    table = scaling_table(report.result.scaling, report.result.points)
    first, second = cells(table, 0), cells(table, 1)
    assert (first["Speedup"][0], first["Efficiency"][0]) == ("1\u00d7", "100\u202f%")
    assert (first["Bubble"][0], first["At most"][0]) == ("\u2013", "\u2013")
    assert (second["Replicas \u00d7 stages"][0], second["Speedup"]) == ("1 \u00d7 2", ("1.6\u00d7", "1.5\u20131.7"))
    assert (second["Efficiency"][0], second["At most"][0]) == ("80\u202f%", "1.85\u00d7")
    assert (second["Bubble"][0], second["Busy"][0]) == ("40\u202f%", "\u2013")


def test_a_simulation_is_a_table_on_the_page_and_in_a_terminal():
    found = simulated().result.simulation
    table = simulation_table(found)
    assert cells(table, 1)["replicas"][0] == "64"
    assert (cells(table, 1)["Speedup"][0], cells(table, 1)["Efficiency"][0]) == ("16\u00d7", "25\u202f%")
    text = simulation_text(found)
    assert "16\u202f000" in text
    assert text.splitlines()[-1] == f"{NASTY} replicas are not worth it beyond 16."


def under_a_rate():
    found = simulated().result.simulation
    unmeasured = tuple(msgspec.structs.replace(each, speedup=None, efficiency=None) for each in found.predictions)
    return msgspec.structs.replace(found, predictions=unmeasured)


def test_under_a_rate_there_is_no_speedup_and_no_curve():
    row = cells(simulation_table(under_a_rate()), 1)
    assert (row["Speedup"][0], row["Efficiency"][0]) == ("\u2013", "\u2013")
    assert draw_simulated(under_a_rate()) is None


def test_each_batch_size_has_a_curve_of_its_own():
    found = simulated().result.simulation
    assert "Lines: queue; and processes times the fastest one." in str(draw_simulated(found))
    several = tuple(
        msgspec.structs.replace(each, setting={**each.setting, "batch_size": size})
        for each in found.predictions
        for size in (1, 64)
    )
    drawn = str(draw_simulated(msgspec.structs.replace(found, predictions=several)))
    assert "Lines: queue, batch_size=1; queue, batch_size=64; and processes times the fastest one." in drawn
    assert draw_simulated(msgspec.structs.replace(found, predictions=several[:2])) is None  # one replica each


def test_the_page_says_which_is_which_and_escapes_what_it_shows():
    html = page_html(simulated())
    assert html.count("<h2>Replicas and stages</h2>") == html.count("<h2>Simulated settings</h2>") == 1
    assert "Nothing here was measured." in html
    assert '<a href="#scaling">' in html
    assert '<a href="#simulation">' in html
    assert NASTY not in html
    assert html.count("&lt;b&gt;two&lt;/b&gt;") >= 2
    assert "Simulated throughput against processes that compute" in html


def test_a_run_without_layouts_shows_neither():
    html = page_html(example.sweep())
    assert 'id="scaling"' not in html
    assert 'id="simulation"' not in html
    assert "#scaling" not in html
    assert "#simulation" not in html
    assert scaling_table(None, ()) is None
    assert simulation_table(None) is None
