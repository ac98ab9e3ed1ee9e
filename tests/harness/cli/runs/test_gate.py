"""What a gate says of the limit of the run that it judges."""

import dataclasses

import msgspec
import pytest
from example_runs import sweep

from harness.cli.runs.gate import _answer
from harness.judge.findings import Verdict
from harness.judge.gate.baseline import baseline_of
from harness.record.machine.environment import capture
from harness.record.run_dir import RunRecord

pytestmark = pytest.mark.process  # the environment that a record names is asked of programs


def answer_of(*, gated, meets, verdict=Verdict.VALID):
    """A run against itself."""
    report = sweep()
    points = tuple(msgspec.structs.replace(each, meets_slo=meets) for each in report.result.points)
    result = msgspec.structs.replace(report.result, points=points, verdict=verdict)
    record = RunRecord(plan=report.plan, command_line="", started_at="", harness_version="1", environment=capture())
    judged = dataclasses.replace(report, result=result, gated=gated)
    return _answer(record, judged, baseline_of(record, result), 0.1, force=False)


def test_a_limit_that_the_user_gave_and_no_point_keeps_is_missed():
    assert answer_of(gated=True, meets=False).slo == "The limit p99 ≤ 50 ms is missed."
    assert answer_of(gated=True, meets=True).slo == ""
    assert answer_of(gated=False, meets=False).slo == ""


@pytest.mark.parametrize(("meets", "verdict"), [(None, Verdict.VALID), (False, Verdict.INVALID)])
def test_a_limit_of_which_nothing_is_known_is_open_and_not_missed(meets, verdict):
    found = answer_of(gated=True, meets=meets, verdict=verdict)
    assert found.slo == ""
    assert "Whether the limit p99 ≤ 50 ms is kept cannot be said." in found.reasons
