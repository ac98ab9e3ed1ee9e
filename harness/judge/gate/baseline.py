"""A baseline: the figures of a run in one small file, without its rows, and the plan that measures them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.files import decode, read_file
from harness.judge.checks.harm import only_disturbed
from harness.judge.checks.point import faults_of_target
from harness.judge.conclusions.run_comparison import point_key
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.phrases import level_text
from harness.plan.knobs import setting_text
from harness.plan.plan import Plan
from harness.record.machine.environment import Environment

if TYPE_CHECKING:
    from pathlib import Path

    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import RunResult
    from harness.record.run_dir import RunRecord

SCHEMA = 1
THROUGHPUT, GOODPUT, P50, P99, FAILED = FIGURES = ("throughput", "goodput", "p50", "p99", "failed")
UNITS = {THROUGHPUT: "req/s", GOODPUT: "req/s", P50: "ms", P99: "ms", FAILED: ""}


class BaselinePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point: its figures with 95 % intervals that hold the trial noise. One that cannot be given is left out."""

    key: str  # of `point_key`
    label: str
    verdict: Verdict
    scheduled: int
    figures: dict[str, Interval]  # by FIGURES: requests/s, ms, a share of 1
    meets_slo: bool | None = None
    disturbed: bool = msgspec.field(default=False, name="noisy")  # INVALID only because others kept the machine busy
    faults: dict[str, str] = {}  # by which the target made it INVALID: titles of findings by their kind
    target: str = ""  # its name, recipe or URL
    model: str = ""

    @property
    def usable(self) -> bool:
        """Whether its figures say anything of the target."""
        return self.disturbed or self.verdict is not Verdict.INVALID

    def tells(self, figure: str) -> bool:
        """Whether its figure of that name says anything of the target: of one at fault, how many requests failed."""
        return self.usable or (figure == FAILED and bool(self.faults))


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    sweepspot_baseline: int = SCHEMA  # the version of this format
    made_at: str  # when its run began, ISO 8601
    commit: str | None = None
    harness_version: str
    environment: Environment
    plan: Plan
    gated: bool = False  # the user gave its limit (--slo): the gate enforces it
    points: tuple[BaselinePoint, ...]


def baseline_of(record: RunRecord, result: RunResult, commit: str | None = None) -> Baseline:
    """The baseline that a run makes. `commit` is that of the server under test; else that of this checkout."""
    return Baseline(
        made_at=record.started_at,
        commit=commit or record.environment.checkout.revision,
        harness_version=record.harness_version,
        environment=record.environment,
        plan=msgspec.structs.replace(record.plan, budget_seconds=None),  # the same trials once more
        gated=record.gated,
        points=tuple(_point(record.plan, point) for point in result.points),
    )


def read_baseline(path: Path, flag: str) -> Baseline:
    """The baseline in the file, which the user gave with `flag`. Raises UserError where there is none."""
    try:
        return decode(read_file(path), Baseline)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{flag} {path}: no baseline of this version ({error}); make one with `baseline`") from error


def _point(plan: Plan, point: PointMetrics) -> BaselinePoint:
    planned = plan.point(point.point)
    wanted = plan.target_request(planned)
    return BaselinePoint(
        key=point_key(plan, point),
        label=", ".join(filter(None, (setting_text(plan.setting_of(planned)), level_text(planned)))),
        verdict=point.verdict,
        scheduled=point.counts.scheduled,
        figures=dict(_figures(point)),
        meets_slo=point.meets_slo,
        disturbed=only_disturbed(point.findings),
        faults=faults_of_target(point.findings),
        target=wanted.target,
        model=wanted.model,
    )


def _figures(point: PointMetrics) -> list[tuple[str, Interval]]:
    found = {
        THROUGHPUT: point.throughput_rps if point.throughput_rps.value > 0 else None,
        GOODPUT: point.goodput_rps if point.goodput_rps and point.goodput_rps.value > 0 else None,
        P50: point.response.interval_ms(0.5),
        P99: point.response.interval_ms(0.99),
        FAILED: Interval(point.counts.failed / point.counts.scheduled) if point.counts.scheduled else None,
    }
    return [(name, figure) for name, figure in found.items() if figure is not None]
