"""The tables of a search: settings are shown by the figures by which they are ranked."""

import dataclasses

import example_runs as example
import msgspec

from harness.judge.interval import Interval
from harness.judge.metrics import StreamMetrics, Usage
from harness.judge.tuning.tuning_result import TuneStep, Tuning
from harness.plan.plan import TrialKind, TuneSpace
from harness.plan.slo import parse_keep
from reports.views.tuning import finalists_table, path_table

replace = msgspec.structs.replace
LATENCY = example.latency_of(20.0, 0.2, 5000)
STREAM = StreamMetrics(
    ttft=LATENCY, itl=LATENCY, tpot=LATENCY, tokens_per_s=Interval(4321.0, 4300.0, 4340.0), prompt_tokens=None,
    output_tokens=None, in_flight=None,
)  # fmt: skip


def final(objective="goodput", *, keep="", slo=True, **changes):
    """A report whose first point was confirmed by fresh trials; its figures are changed."""
    report = example.sweep()
    first, *_ = report.plan.trials
    tune = TuneSpace(values={}, levels=(), objective=objective, keep=parse_keep(keep) if keep else ())
    plan = replace(report.plan, trials=(replace(first, kind=TrialKind.CONFIRM),), tune=tune)
    plan = plan if slo else replace(plan, slo=None)
    points = tuple(
        replace(point, throughput_rps=Interval(1000.0, 980.0, 1020.0), **changes) for point in report.result.points
    )
    return dataclasses.replace(report, plan=plan, result=replace(report.result, points=points))


def cell_of(report, title):
    table = finalists_table(report)
    (row,) = table.rows
    return row[table.columns.index(title)]


def test_finalists_have_throughput_and_response_times():
    report = final()
    assert finalists_table(report).columns[3:6] == ("Throughput /s", "p50 ms", "p99 ms")
    assert cell_of(report, "Throughput /s").key == "1000"


def test_of_language_models_they_have_tokens_first_tokens_and_gaps():
    report = final("tokens_per_s", stream=STREAM)
    assert finalists_table(report).columns[3:6] == ("Tokens /s", "TTFT p90 ms", "ITL p99 ms")
    rate = cell_of(report, "Tokens /s")
    assert (rate.text, rate.note) == ("4\u202f320", "4\u202f300\u20134\u202f340")
    assert cell_of(report, "TTFT p90 ms").text != "\u2013"


def test_a_language_model_whose_responses_are_raised_is_shown_by_them():
    assert cell_of(final(stream=STREAM), "Throughput /s").key == "1000"


def test_a_search_for_the_least_cost_shows_what_a_core_gives():
    title = "Responses per core second"
    rate = cell_of(final("cost", usage=Usage(cpu_target_cores=2.0)), title)
    assert (rate.text, rate.note) == ("500", "490\u2013510")
    assert cell_of(final("cost", usage=Usage()), title).text == "\u2013"  # the use of cores is not known


def test_limits_are_the_objective_and_the_bounds_beside_it():
    busy = Usage(cpu_target_cores=2.0)
    assert cell_of(final(meets_slo=True), "Limits").text == "met"
    assert cell_of(final(meets_slo=True, usage=busy, keep="cores<1"), "Limits").text == "missed"
    assert cell_of(final(meets_slo=None, usage=busy, slo=False, keep="cores<3"), "Limits").text == "met"


def test_without_limits_none_is_called_met_or_undecided():
    plan = final(slo=False).plan
    step = TuneStep(trial=0, point=0, changes={}, load="8 users", why="the default", figure=1000.0, kept=True)
    tuning = Tuning(
        objective="goodput",
        settings=1,
        impossible=0,
        tried=1,
        default_point=0,
        words="",
        server_flags="",
        steps=(step,),
    )
    table = path_table(plan, tuning)
    assert table.rows[0][table.columns.index("Limits")].text == "\u2013"
    assert cell_of(final(slo=False, meets_slo=None), "Limits").text == "\u2013"
