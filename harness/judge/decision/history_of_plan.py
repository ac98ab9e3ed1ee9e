"""The outcomes of the trials of a budgeted sweep, and the history that they make."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judge.checks.harm import HARMED
from harness.judge.checks.point import NO_REPEAT_CHANGES, fault_of_target, invalid_by
from harness.judge.decision.chances import Limit
from harness.judge.decision.decision import Candidate
from harness.judge.decision.trial_history import CandidateTrial, TrialHistory, TrialOutcome
from harness.judge.findings import Verdict
from harness.plan.plan import TrialKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, Trial
    from harness.plan.slo import Slo

Z_95 = 1.96
UNKNOWN_ERROR = 0.3  # standard error of the log of a figure whose trial shows none


def trial_history(plan: Plan, points: Sequence[PointMetrics], trial_s: float) -> TrialHistory:
    """The history of a budgeted sweep: its trials that have begun."""
    history = TrialHistory(candidates_of(plan), plan.seed, trial_s)
    by_point = {point.point: point for point in points}
    measured = {trial.trial: trial for point in points for trial in point.trials}
    for trial in plan.trials:
        if trial.number in measured:
            limit = limit_of(by_point[trial.point], plan.slo)
            history.add(candidate_trial(plan, trial), outcome_of(measured[trial.number], limit, trial_s))
    return history


def candidates_of(plan: Plan) -> tuple[Candidate, ...]:
    """The plan's points as candidates; settings with smaller values come first."""
    ordered = sorted(
        {_key(point.setting): point for point in plan.points}.items(), key=lambda item: _size(item[1].setting)
    )
    rank = {key: place for place, (key, _) in enumerate(ordered)}
    starts = plan.starts or (0,) * len(plan.points)
    return tuple(Candidate(rank[_key(point.setting)], starts[point.number]) for point in plan.points)


def candidate_trial(plan: Plan, trial: Trial) -> CandidateTrial:
    """A trial of the plan as the history keeps it."""
    return CandidateTrial(trial.point, trial.seconds or plan.seconds, trial.kind or TrialKind.EXPLORE, trial.block)


def outcome_of(trial: TrialMetrics, limit: Limit, spent_s: float) -> TrialOutcome:
    """What a trial says of its point. One without a measured second could not be run."""
    if not trial.seconds:
        return TrialOutcome(None, limit, spent_s)
    usable = usable_share(trial)
    rate = trial.rate
    if not rate.value or fault_of_target(trial):
        return TrialOutcome(None, limit, spent_s, usable)
    limited = invalid_by(trial.findings, NO_REPEAT_CHANGES) is not None
    return TrialOutcome(math.log(rate.value), limit, spent_s, usable, log_error(rate), limited)


def log_error(figure: Interval) -> float:
    """Standard error of the log of a figure, as its interval has it; a figure without one says little."""
    if not figure.low or figure.high is None:
        return UNKNOWN_ERROR
    return math.log(figure.high / figure.low) / (2 * Z_95)


def usable_share(trial: TrialMetrics) -> float:
    """The share of a trial that tells of its point: 0 where it is no measurement of the target.

    What others harmed is cut out of a trial's figures, which are then as good as any; only where too little would be
    left are they those of the whole time.
    """
    if trial.verdict is Verdict.INVALID and not fault_of_target(trial):
        return 0.0
    uncut = any(each.kind == HARMED.name and not each.data["enough"] for each in trial.findings)
    return trial.usable_share if uncut else 1.0


def limit_of(point: PointMetrics, slo: Slo | None) -> Limit:
    """Whether the point keeps the limit, by all its trials."""
    if slo is None or point.meets_slo:
        return Limit.KEPT
    return Limit.NOT_YET if point.meets_slo is None else Limit.MISSED


def _size(setting: Setting) -> tuple[float, ...]:
    """Smaller values first; sorting keeps the order of the plan where values are no numbers."""
    return tuple(float(value) for value in setting.values() if not isinstance(value, str))


def _key(setting: Setting) -> tuple[object, ...]:
    return tuple(setting.items())
