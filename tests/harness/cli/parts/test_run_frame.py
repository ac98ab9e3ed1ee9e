"""The exit code of a run whose result is known."""

import msgspec
import pytest
from example_runs import point_of

from harness.cli.parts.serving_run import ServingRun
from harness.errors import ExitCode
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.paired_result import THROUGHPUT, PairedComparison, PairedFigure, PairedLevel
from harness.judge.run_result import Recommendation, RunResult
from harness.judge.significance import Change
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.pairing import VARIANT, Pairing, Variant
from harness.plan.plan import Plan, Point
from harness.plan.slo import parse_slo
from harness.record.run_dir import RunDir
from reports import ReportInput

SIDES = (Variant(name="A", target="batched"), Variant(name="B", target="batched"))
PLAN = Plan(
    name="compare",
    target="batched",
    scenario="predict",
    points=tuple(
        Point(number=number, setting={VARIANT: side.name}, arrivals=Closed(users=8))
        for number, side in enumerate(SIDES)
    ),
    load=LoadSettings(measure_s=1.0),
    slo=parse_slo("p99<50ms"),
    pairing=Pairing(variants=SIDES, margin=0.05, budget_s=60.0),
)


class Compared(ServingRun):
    """A comparison of two variants with a given result."""

    result: RunResult
    gated = False

    def report(self):
        return ReportInput(plan=PLAN, result=self.result, gated=self.gated)


def result_of(change, *, figures, verdict, meets):
    figure = PairedFigure(name=THROUGHPUT, ratio=Interval(1.0, 0.9, 1.1), change=change, pairs=8, deviation=0.1)
    level = PairedLevel(points=(0, 1), figures=(figure,) if figures else (), change=change)
    points = tuple(
        msgspec.structs.replace(point_of(each.number, each.setting, each.arrivals), meets_slo=meets)
        for each in PLAN.points
    )
    return RunResult(
        points=points,
        comparison=PairedComparison(change=change, margin=0.05, variants=("A", "B"), levels=(level,), finds=None),
        recommendation=Recommendation(sentence="What follows."),
        verdict=verdict,
    )


@pytest.mark.parametrize(("change", "given", "code"), [
    (Change.REGRESSION, {}, ExitCode.REGRESSION),
    (Change.REGRESSION, {"verdict": Verdict.INVALID}, ExitCode.REGRESSION),
    (Change.INCONCLUSIVE, {}, ExitCode.CANNOT_BE_SAID),
    (Change.INCONCLUSIVE, {"verdict": Verdict.INVALID, "figures": False}, ExitCode.INVALID),
    (Change.INCONCLUSIVE, {"verdict": Verdict.INVALID}, ExitCode.CANNOT_BE_SAID),  # pairs that were disturbed
    (Change.NOT_WORSE, {"verdict": Verdict.INVALID}, ExitCode.OK),
    (Change.NOT_WORSE, {"meets": False}, ExitCode.OK),
    (Change.NOT_WORSE, {"meets": False, "gated": True}, ExitCode.SLO_MISSED),
    (Change.NOT_WORSE, {"meets": None, "gated": True}, ExitCode.CANNOT_BE_SAID),
    (Change.NOT_WORSE, {"meets": True, "gated": True}, ExitCode.OK),
])  # fmt: skip
def test_the_exit_code_of_a_comparison(tmp_path, change, given, code):
    run = Compared(RunDir.create(tmp_path / "run"))
    given = {"figures": True, "verdict": Verdict.VALID, "meets": None, "gated": False, **given}
    run.gated = given.pop("gated")
    run.result = result_of(change, **given)
    assert run.show(as_json=True) == code
