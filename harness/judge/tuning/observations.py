"""Turns the metrics of a trial into an observation of the search, or into an outcome of its final."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judge.checks.point import fault_of_target
from harness.judge.checks.records import TARGET_DIED
from harness.judge.decision.chances import Limit
from harness.judge.decision.history_of_plan import log_error, usable_share
from harness.judge.decision.trial_history import LEAST_USABLE, TrialOutcome
from harness.judge.interval import Interval
from harness.judge.slo_check import QUANTILES
from harness.search.observation import Observation

if TYPE_CHECKING:
    from harness.judge.metrics import Latency, PointMetrics, TrialMetrics
    from harness.plan.plan import Plan
    from harness.plan.slo import Slo

HARMED_ERROR = 0.3  # standard error of the log of what a trial reached that others harmed
MOST_HARM = 4.0  # a limit that even the median misses by this factor is missed, whatever harmed the trial
TOKENS, COST = "tokens_per_s", "cost"


def objective_of(metrics: TrialMetrics | PointMetrics, plan: Plan) -> Interval:
    """The figure that the search raises: good responses per second or per core second of the target, or tokens/s."""
    if plan.tune is not None and plan.tune.objective == COST:
        return _per_core(metrics.throughput_rps, metrics.usage.cpu_target_cores)
    tokens = metrics.stream.tokens_per_s if metrics.stream is not None else None
    if plan.tune is not None and plan.tune.objective == TOKENS:
        return tokens or Interval(value=0.0)
    return metrics.throughput_rps


def unit_of(plan: Plan) -> str:
    """The unit of what the search raises."""
    objective = plan.tune.objective if plan.tune else ""
    return {TOKENS: "tokens/s", COST: "responses per core second"}.get(objective, "req/s")


def _per_core(rate_rps: Interval, cores: float | None) -> Interval:
    """Responses per second of a core; 0 where the target's use of cores is not known."""
    if not cores:
        return Interval(value=0.0)
    ends = (None if end is None else end / cores for end in (rate_rps.low, rate_rps.high))
    return Interval(rate_rps.value / cores, *ends)


def keeps(plan: Plan, point: PointMetrics) -> bool | None:
    """Whether the point keeps the SLO and the other bounds of the search; None where that is not known."""
    found = [point.meets_slo if plan.slo else True]
    for bound in plan.tune.keep if plan.tune else ():
        value = kept_figure(bound.metric, point)
        found.append(None if value is None else value >= bound.limit if bound.above else value <= bound.limit)
    return False if False in found else None if None in found else True


def kept_figure(metric: str, point: PointMetrics) -> float | None:
    """What a bound beside the SLO is about: accuracy, cores or memory in MB; None where it is not known."""
    if metric == "accuracy":
        return None if point.accuracy is None else point.accuracy.value
    usage = point.usage
    if metric == "cores":
        return usage.cpu_target_cores
    return usage.rss_target_mb if usage.pss_target_mb is None else usage.pss_target_mb


def failure_of(trial: TrialMetrics) -> str | None:
    """Why the setting of a trial cannot be served; None where it can."""
    if trial.start_failure is not None:
        return trial.start_failure
    return next((each.text for each in trial.findings if each.kind == TARGET_DIED.name), None)


def observation_of(plan: Plan, point: PointMetrics, trial: TrialMetrics, place: tuple[int, int]) -> Observation:
    """What a trial says of its setting and level, whose numbers are `place`."""
    failure = failure_of(trial)
    if failure is not None:
        return Observation(*place, failure=failure)
    figure = objective_of(trial, plan)
    harmed = usable_share(trial) < LEAST_USABLE
    kept = keeps(plan, point)
    if not trial.seconds or not figure.value or fault_of_target(trial):
        unknown = harmed or trial.throughput_rps.value > 0.0  # good responses came, and their cost is not known
        return Observation(*place, kept=None if unknown and not fault_of_target(trial) else False)
    tail = _log_tail(trial, plan.slo)
    if kept is False and (not plan.slo or point.meets_slo is not False):
        tail = None  # another bound is broken, however short the responses are
    if not harmed:
        return Observation(*place, math.log(figure.value), log_error(figure), tail, kept)
    missed = _surely_missed(trial, plan.slo)
    return Observation(
        *place, math.log(figure.value), HARMED_ERROR, tail if missed else None, False if missed else kept or None
    )


def final_outcome(plan: Plan, point: PointMetrics, trial: TrialMetrics, spent_s: float) -> TrialOutcome:
    """What a trial of the final says of its point."""
    limit = {True: Limit.KEPT, False: Limit.MISSED, None: Limit.NOT_YET}[keeps(plan, point)]
    figure = objective_of(trial, plan)
    usable = usable_share(trial)
    if usable < LEAST_USABLE and _surely_missed(trial, plan.slo):
        limit, usable = Limit.MISSED, 1.0
    if failure_of(trial) is not None or not trial.seconds or not figure.value or fault_of_target(trial):
        return TrialOutcome(None, limit, spent_s, usable if trial.seconds else 1.0)
    return TrialOutcome(math.log(figure.value), limit, spent_s, usable, log_error(figure))


def _surely_missed(trial: TrialMetrics, slo: Slo | None) -> bool:
    """Whether the limit is missed by more than harm by others explains, which holds up few responses by much."""
    middle = _log_tail(trial, slo, at="p50")
    return middle is not None and middle > math.log(MOST_HARM)


def _log_tail(trial: TrialMetrics, slo: Slo | None, at: str | None = None) -> float | None:
    """The log of percentile / limit of the latency bound that is the nearest to being broken; None: not known.

    at: the percentile to set against each limit in place of the bound's own.
    """
    tails = []
    for bound in slo.of_all if slo else ():
        kind, _, statistic = bound.metric.rpartition("_")
        latency: Latency | None = getattr(trial.stream, kind, None) if kind else trial.response
        if bound.metric == "errors" or latency is None:
            continue
        value_ms = _statistic_ms(latency, at or statistic)
        if value_ms:
            tails.append(math.log(value_ms / bound.limit))
    return max(tails, default=None)


def _statistic_ms(latency: Latency, statistic: str) -> float | None:
    if statistic not in QUANTILES:
        return latency.mean_ms if statistic == "mean" else latency.max_ms
    quantile = latency.at(QUANTILES[statistic])
    if quantile is None:
        return None
    return quantile.value_ms if quantile.value_ms is not None else quantile.low_ms
