"""What the reports of a run are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.significance import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import RunResult
    from harness.plan.plan import Plan
    from harness.training.plan import TrainingPlan
    from harness.training.training_metrics import TrainingResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseReportInput:
    """A finished (or interrupted) run: what was planned, what came out, and where it ran."""

    plan: Plan | TrainingPlan
    result: RunResult | TrainingResult
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # value by name, by section
    command_line: str = ""
    started_at: str = ""  # ISO 8601
    gated: bool = False  # the user gave a limit (--slo, --target-accuracy): missing it is a failure

    @property
    def best_row(self) -> int | None:
        """Where the recommended point stands among the points of the result; None where there is none."""
        numbers = [point.point for point in self.result.points]
        best = self.result.recommendation.best_point
        return numbers.index(best) if best in numbers else None

    @property
    def headline_row(self) -> int | None:
        """The point whose figures stand in the headline: the recommended one, or the only one."""
        return 0 if self.best_row is None and len(self.result.points) == 1 else self.best_row

    @property
    def gate_missed(self) -> bool:
        """Whether the user gave a limit and no point keeps it."""
        return self.gated and not self.result.keeps_limit

    @property
    def compared(self) -> Change | None:
        """What a comparison of two variants says; None where there was none."""
        return None

    @property
    def untrusted(self) -> bool:
        """Whether the run is INVALID, so that nothing follows from it."""
        return self.result.verdict is Verdict.INVALID

    @property
    def cannot_be_said(self) -> bool:
        """Whether too little was measured for the answer that the user asked for."""
        return False

    @property
    def target_unavailable(self) -> bool:
        """Whether a server did not serve for a part of the time, where the recommendation rests on it."""
        return False

    @property
    def spoiled_by_outage(self) -> bool:
        """Whether the run is INVALID only because a server did not serve for a part of the time."""
        return False

    @property
    def enough_budget_s(self) -> int | None:
        """The budget that would have done for a recommendation; None where nothing is missing."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput(BaseReportInput):
    """A run of a server."""

    plan: Plan
    result: RunResult
    isolation: str = ""  # one sentence: which cores target and load had

    @property
    def headline_point(self) -> PointMetrics | None:
        """The point whose figures stand in the headline; None where there is none."""
        return None if self.headline_row is None else self.result.points[self.headline_row]

    @property
    def target_unavailable(self) -> bool:
        """Whether the server did not serve for a part of the time, where the recommendation rests on it."""
        return self.result.comparison is None and self.result.unavailable

    @property
    def spoiled_by_outage(self) -> bool:
        """Whether the run is INVALID only because the server did not serve for a part of the time."""
        return self.result.spoiled_by_outage

    @property
    def compared(self) -> Change | None:
        """What a comparison of two variants says; None where there was none."""
        return self.result.comparison.change if self.result.comparison else None

    @property
    def untrusted(self) -> bool:
        """Whether the run is INVALID and nothing follows from it, as it may from pairs of disturbed trials."""
        compared = self.result.comparison
        told = compared is not None and any(level.figures for level in compared.levels)
        return self.result.verdict is Verdict.INVALID and not told

    @property
    def limit_open(self) -> bool:
        """Whether no point surely keeps the user's limit, and there are points that may."""
        undecided = any(point.meets_slo is None for point in self.result.points if point.verdict is not Verdict.INVALID)
        return self.gate_missed and (undecided or self.untrusted)

    @property
    def cannot_be_said(self) -> bool:
        """Whether the best point of a budgeted sweep, the user's limit, or which variant is worse is undecided."""
        return self.enough_budget_s is not None or self.limit_open or self.compared is Change.INCONCLUSIVE

    @property
    def enough_budget_s(self) -> int | None:
        """About the budget that would have done for a recommendation, in whole 10 s; None where this one did."""
        more_s = self.result.recommendation.more_seconds if self.plan.budget_seconds is not None else None
        return None if more_s is None else 10 * math.ceil(((self.plan.budget_seconds or 0.0) + more_s) / 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInput(BaseReportInput):
    """A training run."""

    plan: TrainingPlan
    result: TrainingResult
