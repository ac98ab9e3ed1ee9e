"""How a run is described: what was measured, with which knobs, and in which order."""

import csv
import io

import example_runs as example
import msgspec
import pytest

from harness.judge.findings import Verdict
from harness.judge.run_result import Recommendation, RunResult
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.paired_plan import block_of_trials, paired_plan
from harness.plan.plan import Plan, Point
from reports import ReportInput
from reports.junit import junit_xml
from reports.points_csv import points_csv
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import plan_text, result_text
from reports.views.page_view import page

replace = msgspec.structs.replace
URLS = ("http://127.0.0.1:8000", "http://127.0.0.1:8001")


def plan_of(target, model="digits-mlp", **fixed):
    return Plan(
        target=target,
        scenario="scenarios/predict.py",
        model=model,
        points=(Point(number=0, setting={}, arrivals=Closed(users=8)),),
        fixed=fixed,
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
    )


@pytest.fixture
def compared():
    """Two servers in turn: three blocks at 8 users."""
    before = plan_of(URLS[0], "small", batch_size=4, engine="litert", replicas=2)
    after = plan_of(URLS[1], "large", batch_size=16, engine="onnxruntime", replicas=2)
    plan = paired_plan(before, after, margin=0.05, budget_s=200.0)
    for block in range(3):
        plan = replace(plan, trials=(*plan.trials, *block_of_trials(plan, block)))
    points = tuple(example.point_of(each.number, each.setting, each.arrivals) for each in plan.points)
    answer = Recommendation(sentence="B is better than A.")
    model = replace(example.MODEL, engine="litert", precision="")
    return ReportInput(
        plan=plan, result=RunResult(points=points, recommendation=answer, verdict=Verdict.VALID, model=model)
    )


def test_rows_of_each_variant_have_its_own_target_model_and_knobs(compared):
    lines = list(csv.DictReader(io.StringIO(points_csv(compared.result.points, compared.plan))))
    names = ("variant", "target", "model", "engine", "batch_size")
    assert [[line[name] for name in names] for line in lines] == [
        ["A", URLS[0], "small", "litert", "4"],
        ["B", URLS[1], "large", "onnxruntime", "16"],
    ]


def test_both_targets_are_named_and_what_the_variants_share_and_do_not(compared):
    targets = f"{URLS[0]} and {URLS[1]}"
    view = page(compared)
    facts = dict(view.method)
    assert view.subtitle == f"{targets}, small and large"
    assert facts["Target"] == targets
    assert facts["Variants"] == (
        f"A ({URLS[0]}, model=small, batch_size=4, engine=litert); "
        f"B ({URLS[1]}, model=large, batch_size=16, engine=onnxruntime)"
    )
    assert facts["Set"] == "replicas=2"
    assert "Engine" not in dict(view.model)  # the card is that of A
    assert f"Target {targets}, model small and large, 2\u202fs per trial, " in summary_markdown(compared)
    assert f'name="target" value="{targets}"' in junit_xml(compared)
    assert "set: replicas=2" in plan_text(compared.plan)
    head = next(line for line in result_text(compared, terminal=False).splitlines() if "variant" in line)
    assert head.split()[:3] == ["variant", "batch_size", "engine"]


def test_trials_in_turn_are_not_called_shuffled(compared):
    assert dict(page(compared).method)["Repeats"] == "3 per point; 6 trials in blocks of both variants, seed 0"
    assert "6 trials in blocks of both variants." in summary_markdown(compared)


def test_rates_of_a_capacity_run_are_not_called_shuffled():
    report = example.sweep(loads=(1,), repeats=1, capacity=True)
    plan = replace(report.plan, trials=report.plan.trials[:3])
    report = ReportInput(plan=plan, result=report.result)
    chosen = "3 trials, each chosen by the results before it"
    assert dict(page(report).method)["Repeats"] == f"1 per point; {chosen}, seed 0"
    assert f"2\u202fs per trial, {chosen}, objective" in summary_markdown(report)


def test_what_one_repeat_supposes_is_said_of_figures_and_not_of_a_plan():
    supposed = "whose intervals suppose that trials differ by 5\u202f%"
    report = example.one_point()
    assert f"2\u202fs per trial, 1 repeat, {supposed}." in summary_markdown(report)
    assert "1 point x 1 repeat = 1 trial of 0.5\u202fs + 2\u202fs, seed 0" in plan_text(report.plan)
