import csv
import io

import example_runs as example
import msgspec
import pytest

from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Accuracy, Counts, Latency, Quantile, Steps, TimeSplit, UnitCost, Usage
from reports.points_csv import append_point, points_csv
from reports.text.terminal_text import result_text

DESIGN = """
    target scenario model engine arrivals concurrency rate_target batch_size repeats seconds throughput_rps
    throughput_rps_lo throughput_rps_hi p50_ms p50_ms_lo p50_ms_hi p90_ms p90_ms_lo p90_ms_hi p95_ms p95_ms_lo p95_ms_hi
    p99_ms p99_ms_lo p99_ms_hi p99.9_ms p99.9_ms_lo p99.9_ms_hi service_p50_ms service_p99_ms
    ok wrong error timeout rejected aborted unknown not_sent failed mean_batch cpu_target cpu_load verdict reasons
    accuracy accuracy_lo accuracy_hi client_ms preprocess_ms clean_ms transform_ms normalise_ms augment_ms read_ms
    cost_unit core_ms_per_unit energy_j_per_unit price_per_million
    late_p99_ms goodput_rps goodput_rps_lo goodput_rps_hi meets_slo
""".split()  # noqa: SIM905  (as one reads them)


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def known():
    """A point whose every figure is written here."""
    response = Latency(
        count=900,
        mean_ms=5.0,
        max_ms=40.0,
        quantiles=(
            Quantile(p=0.5, value_ms=4.25),
            Quantile(p=0.9, value_ms=7.0, low_ms=6.5, needed=80),  # only a bound from below
            Quantile(p=0.95, value_ms=1234567.0),
            Quantile(p=0.99, value_ms=12.5, low_ms=11.0, high_ms=14.0),
        ),
    )
    service = Latency(
        count=900, mean_ms=4.0, max_ms=9.0, quantiles=(Quantile(p=0.5, value_ms=4.0), Quantile(p=0.99, value_ms=None))
    )
    point = example.sweep().result.points[5]
    return msgspec.structs.replace(
        point,
        repeats=3,
        seconds=6.0,
        throughput_rps=Interval(value=1000.125, low=None, high=None),
        goodput_rps=Interval(800.0, 790.0, 810.0),
        meets_slo=False,
        response=response,
        service=service,
        lateness=Latency(count=900, mean_ms=0.1, max_ms=1.0, quantiles=(Quantile(p=0.99, value_ms=0.25),)),
        counts=Counts(
            scheduled=1010,
            not_sent=10,
            sent=1000,
            ok=900,
            wrong=1,
            error=2,
            timeout=3,
            rejected=4,
            aborted=83,
            unknown=7,
        ),
        mean_batch=None,
        accuracy=Accuracy(value=0.875, low=0.8, high=0.9375, payloads=360, answers=900),
        split=TimeSplit(send_ms=0.0, client_ms=0.25, preprocess_ms=0.5),
        steps=Steps(clean_ms=0.125, normalise_ms=0.0625),
        usage=Usage(cpu_target_cores=0.75),
        cost=UnitCost(unit="response", core_ms=0.5, energy_j=None, price_per_million=2.5),
        verdict=Verdict.INVALID,
        findings=(example.TOO_FEW, example.BUSY, example.UNCHECKED),
    )


def test_columns_are_those_of_the_design_in_that_order():
    report = example.sweep()
    assert points_csv([], report.plan).splitlines() == [",".join(DESIGN)]


def test_every_value_stands_in_its_column_and_what_is_absent_is_empty(known):
    (line,) = lines_of(points_csv([known], example.sweep().plan))
    assert line == {
        "target": "batched",
        "scenario": "scenarios/predict.py",
        "model": "digits-mlp",
        "engine": "",
        "arrivals": "closed",
        "concurrency": "8",
        "rate_target": "",
        "batch_size": "4",
        "repeats": "3",
        "seconds": "6",
        "throughput_rps": "1000.12",
        "throughput_rps_lo": "",
        "throughput_rps_hi": "",
        "p50_ms": "4.25",
        "p50_ms_lo": "",
        "p50_ms_hi": "",
        "p90_ms": "7",
        "p90_ms_lo": "6.5",
        "p90_ms_hi": "",
        "p95_ms": "1234567",
        "p95_ms_lo": "",
        "p95_ms_hi": "",
        "p99_ms": "12.5",
        "p99_ms_lo": "11",
        "p99_ms_hi": "14",
        "p99.9_ms": "",
        "p99.9_ms_lo": "",
        "p99.9_ms_hi": "",
        "service_p50_ms": "4",
        "service_p99_ms": "",
        "ok": "900",
        "wrong": "1",
        "error": "2",
        "timeout": "3",
        "rejected": "4",
        "aborted": "83",
        "unknown": "7",
        "not_sent": "10",
        "failed": "110",
        "mean_batch": "",
        "cpu_target": "0.75",
        "cpu_load": "",
        "verdict": "INVALID",
        "reasons": "generator_cpu;too_few_samples",
        "accuracy": "0.875",
        "accuracy_lo": "0.8",
        "accuracy_hi": "0.9375",
        "client_ms": "0.25",
        "preprocess_ms": "0.5",
        "clean_ms": "0.125",
        "transform_ms": "",
        "normalise_ms": "0.0625",
        "augment_ms": "",
        "read_ms": "",
        "cost_unit": "response",
        "core_ms_per_unit": "0.5",
        "energy_j_per_unit": "",
        "price_per_million": "2.5",
        "late_p99_ms": "0.25",
        "goodput_rps": "800",
        "goodput_rps_lo": "790",
        "goodput_rps_hi": "810",
        "meets_slo": "missed",
    }
    failures = ("wrong", "error", "timeout", "rejected", "aborted", "unknown", "not_sent")
    assert sum(int(line[name]) for name in failures) == int(line["failed"])


@pytest.mark.parametrize(
    ("goodput", "meets", "text"),
    [(Interval(800.0), True, "met"), (Interval(800.0), None, "undecided"), (None, None, "")],
)
def test_an_objective_is_met_missed_or_undecided_where_there_is_one(known, goodput, meets, text):
    point = msgspec.structs.replace(known, goodput_rps=goodput, meets_slo=meets)
    assert lines_of(points_csv([point], example.sweep().plan))[0]["meets_slo"] == text


def test_a_swept_engine_has_one_column_and_a_fixed_one_fills_it(known):
    plan = example.sweep([{"engine": "a"}, {"engine": "b"}]).plan
    assert points_csv([], plan).strip().split(",").count("engine") == 1
    fixed = msgspec.structs.replace(example.sweep().plan, fixed={"engine": "onnx"})
    assert lines_of(points_csv([known], fixed))[0]["engine"] == "onnx"


@pytest.mark.parametrize("name", ["batch", "users", "failed", "target", "throughput_rps"])
def test_a_knob_with_the_name_of_a_column_has_a_column_of_its_own(name):
    report = example.sweep([{name: 1}, {name: 8}])
    shown = f"knob_{name}" if name in ("batch", "users", "failed") else name
    assert f" {shown} " in result_text(report)
    column = f"knob_{name}" if name in ("failed", "target", "throughput_rps") else name
    lines = lines_of(points_csv(report.result.points, report.plan))
    assert {line[column] for line in lines} == {"1", "8"}


def test_open_loop_has_a_rate_and_no_users():
    report = example.open_loop()
    line = lines_of(points_csv(report.result.points, report.plan))[0]
    assert (line["arrivals"], line["concurrency"], line["rate_target"]) == ("poisson", "", "500")


def test_points_added_one_by_one_make_the_same_file(tmp_path):
    report = example.sweep()
    for point in report.result.points:
        append_point(tmp_path, report.plan, point)
    assert (tmp_path / "points.csv").read_text() == points_csv(report.result.points, report.plan)


def test_hostile_values_stay_in_their_cells():
    report = example.ugly()
    lines = lines_of(points_csv(report.result.points, report.plan))
    (name,) = report.plan.swept
    assert [line[name] for line in lines] == [report.result.points[0].setting[name]] * 3
    assert lines[1]["reasons"] == "target_died"
