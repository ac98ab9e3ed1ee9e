"""A run against a baseline: what is called worse, and what cannot be said."""

import math
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from harness.errors import UserError
from harness.files import pretty, write_whole
from harness.judge.findings import Finding, Verdict
from harness.judge.gate.baseline import Baseline, BaselinePoint, baseline_of, read_baseline
from harness.judge.gate.baseline_comparison import compare_with_baseline
from harness.judge.interval import Interval
from harness.judge.significance import Change
from harness.plan.plan import Plan
from harness.plan.slo import parse_slo
from harness.record.machine.environment import capture
from harness.record.run_dir import RunRecord
from reports.gate import write_gate
from reports.gate.gate_texts import gate_junit

HERE = capture()
PLAN = Plan(target="batched", scenario="predict", model="digits-mlp")


def known(value, error):
    """A figure whose logarithm has that standard error."""
    half = 1.96 * error
    return Interval(value, value * math.exp(-half), value * math.exp(half))


def point(rate=1000.0, p50=20.0, error=0.02, failed=0.0, label="8 users", **more):
    figures = {"throughput": known(rate, error), "p50": known(p50, error), "failed": Interval(failed)}
    fields = {"key": label, "label": label, "verdict": Verdict.VALID, "scheduled": 4000, "figures": figures}
    return BaselinePoint(**{**fields, **more})


def baseline(*points, environment=HERE):
    return Baseline(
        made_at="2026-11-28T09:00:00+00:00", commit="abc", harness_version="1", environment=environment, plan=PLAN,
        points=points,
    )  # fmt: skip


def answer(before, after, effect=0.1, **more):
    return compare_with_baseline(baseline(before), baseline(after), effect, **more)


def test_a_p50_of_34_in_place_of_21_ms_is_worse_although_throughput_is_the_same():
    found = answer(point(p50=21), point(p50=34))
    assert found.change is Change.REGRESSION
    assert "p50 ×1.62" in found.sentence
    assert "throughput" not in found.sentence.split("The figures find")[0]


def test_the_same_figures_are_not_worse():
    found = answer(point(), point(rate=1010))
    assert found.change is not Change.INCONCLUSIVE
    assert not found.worse
    assert found.sentence.startswith("Not worse than the baseline of abc")


def test_what_is_known_too_badly_cannot_be_said_and_the_smallest_change_is_stated():
    found = answer(point(error=0.1), point(error=0.1))
    assert not found.said
    # 1.1 times e to the power of (1.645 + 1.282) * sqrt(2) * 0.1 is 1.66.
    assert "find a change of 66" in found.sentence


def test_more_failures_are_worse_and_a_few_are_not():
    assert answer(point(), point(failed=0.05)).worse
    assert not answer(point(), point(failed=0.002)).worse


FAILING = {"verdict": Verdict.INVALID, "faults": {"errors": "Requests failed"}}
WRONG = {"verdict": Verdict.INVALID, "faults": {"wrong_answers": "Responses were wrong"}}


def test_a_release_that_fails_its_requests_is_worse_though_its_point_is_invalid():
    found = answer(point(), point(failed=0.1, **FAILING))
    # Of 4 000 requests 10 %: 3 * sqrt(0.1 * 0.9 / 4000) is 1.42 percentage points, times 1.96 is 2.8.
    assert found.sentence.endswith("): failures +10 (+7.2 to +13) percentage points.")
    (failed,) = found.points[0].figures  # how fast it fails says nothing
    assert failed.name == "failed"
    assert found.points[0].why == "the point of the run is INVALID (Requests failed)"
    assert answer(point(), point(rate=0.0, failed=1.0, **FAILING)).worse


def test_of_points_at_fault_nothing_but_more_failures_can_be_said():
    assert answer(point(failed=0.1, **FAILING), point(failed=0.1, **FAILING)).change is Change.INCONCLUSIVE
    assert answer(point(failed=0.1, **FAILING), point()).change is Change.INCONCLUSIVE
    # 6 failures of 100 may be one event: 3 * sqrt(0.06 * 0.94 / 100) is 7 percentage points.
    assert answer(point(scheduled=100), point(scheduled=100, failed=0.06, **FAILING)).change is Change.INCONCLUSIVE


def test_one_wrong_response_is_worse_than_none():
    found = answer(point(), point(failed=1 / 4000, **WRONG))
    assert found.worse
    assert found.sentence.endswith("): the point of the run is INVALID (Responses were wrong).")
    assert "INVALID (Responses were wrong)" in ET.fromstring(gate_junit(found)).find(".//failure").get("message")
    assert not answer(point(failed=1 / 4000, **WRONG), point(failed=1 / 4000, **WRONG)).worse


def test_goodput_within_another_objective_is_not_compared():
    before, after = (baseline(point(figures={"goodput": known(rate, 0.02)})) for rate in (1000, 500))

    def within(limit, one):
        return msgspec.structs.replace(one, plan=msgspec.structs.replace(PLAN, slo=parse_slo(limit)))

    assert compare_with_baseline(within("p99<50ms", before), within("p99<50ms", after), 0.1).worse
    found = compare_with_baseline(within("p99<50ms", before), within("p99<5ms", after), 0.1)
    assert found.points[0].figures == ()
    assert "Another objective: p99 ≤ 50 ms before, p99 ≤ 5 ms now; goodput is not compared." in found.reasons


def test_another_model_is_named():
    found = answer(point(model="digits-mlp"), point(model="digits-cnn"))
    assert "Another model: digits-mlp before, digits-cnn now." in found.reasons


def test_another_machine_says_nothing_unless_forced():
    other = msgspec.structs.replace(HERE, cpu=msgspec.structs.replace(HERE.cpu, model="Another CPU"))
    before, after = baseline(point(p50=21)), baseline(point(p50=34), environment=other)
    found = compare_with_baseline(before, after, 0.1)
    assert not found.said
    assert "Another machine: CPU, Model" in found.sentence
    assert compare_with_baseline(before, after, 0.1, force=True).worse


def test_other_software_is_noted_and_compared():
    other = msgspec.structs.replace(HERE, packages={**HERE.packages, "numpy": "0.1"})
    found = compare_with_baseline(baseline(point(p50=21)), baseline(point(p50=34), environment=other), 0.1)
    assert found.worse
    assert any(reason.startswith("Other software: Software, numpy") for reason in found.reasons)


def test_a_point_that_was_not_measured_again_cannot_be_said():
    found = compare_with_baseline(baseline(point(), point(label="32 users")), baseline(point()), 0.1)
    assert not found.said
    assert "32 users: this run has no such point" in found.sentence


def test_an_invalid_point_says_nothing_but_one_that_only_noise_spoiled_does():
    spoiled = {"verdict": Verdict.INVALID}
    assert not answer(point(p50=21, **spoiled), point(p50=34)).said
    noisy = answer(point(p50=21, disturbed=True, **spoiled), point(p50=34, disturbed=True, **spoiled))
    assert noisy.worse
    assert any("Others kept the machine busy" in reason for reason in noisy.reasons)
    # 15 % on a machine that drifts by 10 % at two times is nothing that can be said.
    assert not answer(point(p50=20, disturbed=True, **spoiled), point(p50=23, disturbed=True, **spoiled)).said


@pytest.mark.parametrize(("slower", "least", "most"), [(1.0, 0, 2), (1.3, 36, 40)])
def test_of_40_pairs_at_most_2_alarms_are_false_and_nine_of_ten_slowdowns_are_found(slower, least, most):
    """Runs whose level differs by 3 % from one to the next, known each to 3 %."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(40):
        level = np.exp(rng.normal(0, 0.03, 4))
        before = point(rate=1000 * level[0], p50=20 * level[1], error=0.03)
        after = point(rate=1000 * level[2] / slower, p50=20 * level[3] * slower, error=0.03)
        alarms += answer(before, after).worse
    assert least <= alarms <= most


def test_a_baseline_is_a_small_file_and_the_same_when_it_is_read(tmp_path):
    from example_runs import sweep

    report = sweep()
    record = RunRecord(
        plan=report.plan, command_line="", started_at="2026-11-28", harness_version="1", environment=HERE
    )
    made = baseline_of(record, report.result, commit="abc")
    write_whole(tmp_path / "main.json", pretty(made))
    assert (tmp_path / "main.json").stat().st_size < 40_000
    assert read_baseline(tmp_path / "main.json", "--baseline") == made
    found = compare_with_baseline(made, made, 0.1)
    assert not found.worse
    with pytest.raises(UserError, match=r"^BASELINE\.json .*none\.json: no baseline of this version"):
        read_baseline(tmp_path / "none.json", "BASELINE.json")


def test_noise_is_told_from_other_reasons_of_invalid():
    from example_runs import sweep

    report = sweep()

    def marked(*kinds):
        findings = tuple(Finding(kind=kind, title="", verdict=Verdict.INVALID, text="") for kind in kinds)
        points = tuple(
            msgspec.structs.replace(each, verdict=Verdict.INVALID, findings=findings) for each in report.result.points
        )
        record = RunRecord(plan=report.plan, command_line="", started_at="", harness_version="1", environment=HERE)
        return baseline_of(record, msgspec.structs.replace(report.result, points=points)).points[0]

    assert marked("harmed", "lateness").disturbed
    assert not marked("lateness").disturbed
    assert not marked("harmed", "conservation").disturbed
    failing = marked("errors", "generator_cpu", "harmed")
    assert (failing.disturbed, list(failing.faults)) == (False, ["errors"])
    assert (failing.tells("failed"), failing.tells("p50")) == (True, False)


def test_a_baseline_keeps_whether_the_user_gave_the_limit_and_what_was_measured():
    from example_runs import sweep

    report = sweep()
    record = RunRecord(
        plan=report.plan, command_line="", started_at="", harness_version="1", environment=HERE, gated=True
    )
    made = baseline_of(record, report.result)
    assert made.gated
    assert not baseline_of(msgspec.structs.replace(record, gated=False), report.result).gated
    first = made.points[0]
    assert (first.target, first.model) == ("batched", "digits-mlp")
    assert first.label == "batch_wait_ms=1, batch_size=1, 1 user"


def test_the_pages_hold_the_answer(tmp_path):
    worse = answer(point(p50=21, label="<b>8 users"), point(p50=34, label="<b>8 users"))
    worse = msgspec.structs.replace(worse, slo="The limit p99 ≤ 50 ms is missed.")
    write_gate(tmp_path, worse)
    page = (tmp_path / "gate.html").read_text()
    assert "<b>8 users" not in page
    assert page.count("<svg") == 2  # throughput and p50; failures have no ratio
    assert "| p50 | 21 | 34 |" in (tmp_path / "gate.md").read_text()
    write_gate(tmp_path, answer(point(rate=12_346), point(rate=12_346)))
    assert "| throughput | 12\u202f350 | 12\u202f350 |" in (tmp_path / "gate.md").read_text()
    assert "<td>12\u202f350 req/s</td>" in (tmp_path / "gate.html").read_text()
    write_gate(tmp_path, worse)
    suite = ET.fromstring((tmp_path / "gate.xml").read_text()).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.find("testcase/failure").get("type") == "worse"


def test_junit_fails_a_missed_limit_and_skips_an_open_answer():
    missed = msgspec.structs.replace(answer(point(), point(meets_slo=False)), slo="The limit p99 ≤ 5 ms is missed.")
    assert ET.fromstring(gate_junit(missed)).find(".//failure").get("type") == "limit"
    open_answer = gate_junit(answer(point(error=0.2), point(error=0.2)))
    assert ET.fromstring(open_answer).find("testsuite").get("skipped") == "1"
