"""The tables of a search: language models are shown by the figures by which they are ranked."""

import dataclasses

import example_runs as example
import msgspec

from harness.judge.interval import Interval
from harness.judge.metrics import StreamMetrics
from harness.plan.plan import TrialKind
from reports.views.tuning import finalists_table

replace = msgspec.structs.replace


def final(rate_unit="req/s", stream=None):
    """A report whose first point was confirmed by fresh trials."""
    report = example.sweep()
    first, *_ = report.plan.trials
    plan = replace(report.plan, trials=(replace(first, kind=TrialKind.CONFIRM),), rate_unit=rate_unit)
    points = tuple(replace(point, stream=stream) for point in report.result.points)
    return dataclasses.replace(report, plan=plan, result=replace(report.result, points=points)), points[first.point]


def test_finalists_have_throughput_and_response_times():
    report, point = final()
    table = finalists_table(report)
    assert table.columns[3:6] == ("Throughput /s", "p50 ms", "p99 ms")
    (row,) = table.rows
    assert row[3].key == f"{point.throughput_rps.value:.6g}"


def test_of_language_models_they_have_tokens_first_tokens_and_gaps():
    latency = example.sweep().result.points[0].response
    stream = StreamMetrics(
        ttft=latency, itl=latency, tpot=latency, tokens_per_s=Interval(4321.0, 4300.0, 4340.0), prompt_tokens=None,
        output_tokens=None, in_flight=None,
    )  # fmt: skip
    report, _ = final("tokens/s", stream)
    table = finalists_table(report)
    assert table.columns[3:6] == ("Tokens /s", "TTFT p90 ms", "ITL p99 ms")
    (row,) = table.rows
    assert (row[3].text, row[3].note) == ("4\u202f320", "4\u202f300\u20134\u202f340")
    assert row[4].text != "\u2013"
