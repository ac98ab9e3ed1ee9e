"""What the reports of a run are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.judge.metrics import RunResult
    from harness.plan.plan import Plan
    from harness.training.metrics import TrainingResult
    from harness.training.plan import TrainingPlan


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
    def gate_missed(self) -> bool:
        """Whether the user gave a limit and no point keeps it."""
        return self.gated and not self.result.keeps_limit

    @property
    def undecided(self) -> bool:
        """Whether more has to be measured for an answer."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput(BaseReportInput):
    """A run of a server."""

    plan: Plan
    result: RunResult
    isolation: str = ""  # one sentence: which cores target and load had

    @property
    def undecided(self) -> bool:
        """Whether the budget did not do for an answer."""
        return self.result.recommendation.more_seconds is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInput(BaseReportInput):
    """A training run."""

    plan: TrainingPlan
    result: TrainingResult
