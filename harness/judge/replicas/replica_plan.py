"""How many replicas keep a limit at a rate, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.judge.findings import Verdict
from harness.judge.replicas.no_replica_plan import none_keeps, nothing_usable, too_noisy
from harness.judge.replicas.replica_model import BatchModel, CurveModel, Rate, RateModel, TailRange
from harness.judge.replicas.user_curve import Level
from harness.judge.simulation.batching import BATCHING, known_batching
from harness.plan.arrivals import Closed, Poisson
from harness.plan.knobs import Setting
from harness.plan.process_layout import WHOLE, layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.judge.replicas.no_replica_plan import NoReplicaPlan
    from harness.judge.replicas.replica_model import ReplicaModel
    from harness.judge.run_result import RunResult
    from harness.judge.simulation.fit import BatchTrial
    from harness.plan.plan import Plan
    from harness.plan.slo import Bound, Slo

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
TOO_FAR = 0.25  # median error of throughput at held-out points above which nothing is said
TOO_FAR_TAIL = math.log(2)  # the same of the percentile: by more than a factor of 2
MOST_USED = 0.95  # of what a replica completes: above, any drift makes the queue grow without end
MOST_TIMES = 64  # the fewest replicas that can serve the rate: so many are hardly used
FEWEST_LEVELS = 3  # of users: two for the curve and one to hold out


class ReplicaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Percentiles are between `low_ms` and `high_ms`; `replicas` is the fewest whose `high_ms` keeps."""

    setting: Setting
    rate_rps: float
    bound: str
    replicas: int
    used: float  # of the most that one is known to complete
    saturated: bool  # whether one can do no more than that
    fewer_may_do: bool  # that most decides the number, and one may do more
    low_ms: float
    high_ms: float
    one_lost_ms: tuple[float, float] | None  # with one replica less; None where the others cannot serve the rate
    survivors: int  # the fewest that keep the limit when one of them is lost
    beyond: float  # rate of each over the highest that was measured, above 1: extrapolated
    source: str
    off_throughput: float  # median relative error at held-out points
    off_tail: float
    held_out: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked: a rate of Poisson arrivals for all replicas together, and a limit. `seed` makes it repeatable."""

    rate_rps: float
    slo: Slo
    seed: int = 1

    @property
    def bound(self) -> Bound:
        """The limit. Raises UserError where it is not one percentile of the response time."""
        if len(self.slo.bounds) != 1 or self.slo.bounds[0].metric not in PERCENTILES:
            text = "replicas are planned for one percentile of the response time, such as p99<30ms"
            raise UserError(f"--slo {self.slo}: {text}")
        return self.slo.bounds[0]

    @property
    def p(self) -> float:
        """The percentile as a share of 1."""
        return PERCENTILES[self.bound.metric]


def plan_replicas(
    plan: Plan, result: RunResult, trials: Sequence[BatchTrial], demand: Demand
) -> ReplicaPlan | NoReplicaPlan:
    """The setting of the run that needs the fewest replicas. Raises UserError for a limit that is not predicted."""
    usable = {point.point for point in result.points if point.verdict is not Verdict.INVALID}
    models = list(_models(plan, result, [trial for trial in trials if trial.point.number in usable], demand))
    if not models:
        return nothing_usable(result)
    believed = [model for model in models if not _too_far(model)]
    if not believed:
        return too_noisy(*_errors(models[0]), len(models[0].held_out))
    answers = [_search(model, demand) for model in believed]
    found = [each for each in answers if isinstance(each, ReplicaPlan)]
    if not found:
        tails = [each for each in answers if isinstance(each, TailRange)]
        return none_keeps(demand.bound, tails, lowest=all(model.from_one for model in believed))
    return min(found, key=lambda each: (each.replicas, each.high_ms))


def _models(plan: Plan, result: RunResult, trials: Sequence[BatchTrial], demand: Demand) -> Iterator[ReplicaModel]:
    """A model of each setting: of its batches, its users or its rates, the first of these that stands its check."""
    done = set()
    for model in _batch_models(plan, trials, demand):
        if not _too_far(model):
            done.add(repr(model.setting))
        yield model
    points = [point for point in result.points if point.verdict is not Verdict.INVALID and _is_whole(plan, point)]
    by_setting: dict[str, list[PointMetrics]] = {}
    for point in points:
        by_setting.setdefault(repr({**plan.fixed, **point.setting}), []).append(point)
    for name, group in by_setting.items():
        setting = {**plan.fixed, **group[0].setting}
        levels = [_level(point, demand.p) for point in group if _is_closed(plan, point)]
        rates = [rate for point in group if (rate := _rate(plan, point, demand.p)) is not None]
        if name not in done and len(levels) >= FEWEST_LEVELS:
            yield CurveModel(setting, levels, demand.p, demand.seed)
        elif name not in done and len(rates) >= FEWEST_LEVELS:
            yield RateModel(setting, rates)


def _batch_models(plan: Plan, trials: Sequence[BatchTrial], demand: Demand) -> Iterator[BatchModel]:
    """Settings that differ in batching only explain each other."""

    def others(trial: BatchTrial) -> str:
        return repr({name: value for name, value in trial.point.setting.items() if name not in BATCHING})

    for _, group in groupby(sorted(trials, key=others), key=others):
        alike = list(group)
        if not _limit_known(plan, alike):
            continue
        for own in {repr(trial.point.setting): trial for trial in alike}.values():
            model = BatchModel({**plan.fixed, **own.point.setting}, own.batching, alike, demand.p, demand.seed)
            if model.held_out:
                yield model


def _limit_known(plan: Plan, trials: Sequence[BatchTrial]) -> bool:
    """Whether it is known how large batches become: by a knob, or since twice as many users saw no larger ones."""
    own = trials[0]
    if "batch_size" in known_batching(plan.target_request(own.point).target, plan.setting_of(own.point)):
        return True
    users = max((each.point.arrivals.users for each in trials if isinstance(each.point.arrivals, Closed)), default=0)
    return users >= 2 * int(own.batching["batch_size"])


def _is_whole(plan: Plan, point: PointMetrics) -> bool:
    """Whether one replica of the whole model was measured."""
    return layout_of(plan.setting_of(plan.point(point.point)), cores=2) == WHOLE


def _is_closed(plan: Plan, point: PointMetrics) -> bool:
    arrivals = plan.point(point.point).arrivals
    return isinstance(arrivals, Closed) and not arrivals.think_time_s and point.throughput_rps.value > 0


def _rate(plan: Plan, point: PointMetrics, p: float) -> Rate | None:
    """None for other arrivals than Poisson's: those of a constant rate, for example, queue far less."""
    arrivals, tail = plan.point(point.point).arrivals, point.response.at(p)
    if not isinstance(arrivals, Poisson) or tail is None or tail.low_ms is None or tail.high_ms is None:
        return None
    return Rate(arrivals.rate_rps, TailRange(tail.low_ms, tail.high_ms))


def _level(point: PointMetrics, p: float) -> Level:
    tail = point.response.at(p)
    return Level(point.concurrency or 1, point.throughput_rps.value, tail.value_ms if tail else None)


def _too_far(model: ReplicaModel) -> bool:
    off_rate, off_tail = _errors(model)
    return off_rate > TOO_FAR or off_tail > TOO_FAR_TAIL


def _errors(model: ReplicaModel) -> tuple[float, float]:
    """Median errors at held-out points: natural logarithms."""
    rates, tails = ([abs(getattr(each, name)) for each in model.held_out] for name in ("throughput", "tail"))
    return median(rates), median(tails)


def _search(model: ReplicaModel, demand: Demand) -> ReplicaPlan | TailRange:
    """The fewest replicas whose share of the rate keeps the limit; where none do, the lowest percentile of any."""
    rate_rps, bound, p = demand.rate_rps, demand.bound, demand.p
    tails: dict[int, TailRange] = {}

    def keeps(replicas: int) -> bool:
        tails[replicas] = model.tail(rate_rps / replicas, p)
        return tails[replicas].high_ms <= bound.limit

    least = max(1, math.ceil(rate_rps / (MOST_USED * model.most_rps)))
    replicas = _fewest(keeps, least)
    if replicas is None:
        return min(tails.values(), key=lambda tail: tail.low_ms)
    tail, share_rps = tails[replicas], rate_rps / replicas
    left = replicas - 1
    lost = model.tail(rate_rps / left, p) if left and rate_rps / left <= MOST_USED * model.most_rps else None
    off_rate, off_tail = _errors(model)
    return ReplicaPlan(
        setting=model.setting,
        rate_rps=rate_rps,
        bound=str(bound),
        replicas=replicas,
        used=share_rps / model.most_rps,
        saturated=model.saturated,
        fewer_may_do=replicas == least > 1 and not model.saturated,
        low_ms=tail.low_ms,
        high_ms=tail.high_ms,
        one_lost_ms=(lost.low_ms, lost.high_ms) if lost else None,
        survivors=replicas + 1,
        beyond=share_rps / model.measured_rps,
        source=model.source,
        off_throughput=math.expm1(off_rate),
        off_tail=math.expm1(off_tail),
        held_out=len(model.held_out),
    )


def _fewest(keeps: Callable[[int], bool], least: int) -> int | None:
    """The smallest number from `least` on that keeps, found by doubling and halving."""
    high = least
    while not keeps(high):
        high *= 2
        if high > least * MOST_TIMES:
            return None
    low = max(least - 1, high // 2) if high > least else least - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high
