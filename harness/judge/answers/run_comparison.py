"""Compares two runs point by point: better, worse, equivalent or inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.judge.findings import Verdict
from harness.judge.significance import EQUIVALENCE_MARGIN, Change, Runs, compare_apart

if TYPE_CHECKING:
    from typing import TypeGuard

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, Quantile, RunResult
    from harness.judge.significance import Comparison
    from harness.plan.arrivals import Arrivals
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan

_ORDER = (Change.REGRESSION, Change.INCONCLUSIVE, Change.IMPROVED, Change.EQUIVALENT)


@dataclass(frozen=True, slots=True)
class PointComparison:
    """One point of both runs. A figure is None where a run cannot give it, or its point is INVALID."""

    before: PointMetrics
    after: PointMetrics
    throughput_rps: Comparison | None
    p99_ms: Comparison | None

    @property
    def change(self) -> Change:
        """The worst of its figures; INCONCLUSIVE where there is none."""
        return _worst([each.change for each in (self.throughput_rps, self.p99_ms) if each is not None])


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All points that both runs have, in the order of the later one, and how many only one of them has."""

    points: tuple[PointComparison, ...]
    only_before: int
    only_after: int

    @property
    def change(self) -> Change:
        """The worst of its points."""
        return _worst([point.change for point in self.points])


def compare_runs(
    before: tuple[Plan, RunResult], after: tuple[Plan, RunResult], margin: float = EQUIVALENCE_MARGIN
) -> RunComparison:
    """Compare the points that have the same knobs and the same load in both runs; `margin` 0.05 is 5 %."""
    earlier = dict(_keyed(*before))
    later = dict(_keyed(*after))
    pairs = [(earlier[key], point) for key, point in later.items() if key in earlier]
    points = tuple(_compare_points(one, other, margin) for one, other in pairs)
    return RunComparison(points, len(earlier) - len(pairs), len(later) - len(pairs))


def _keyed(plan: Plan, result: RunResult) -> list[tuple[bytes, PointMetrics]]:
    return [(_key(plan, point), point) for point in result.points]


def _key(plan: Plan, point: PointMetrics) -> bytes:
    setting: Setting = {**plan.fixed, **point.setting}
    load: Arrivals = plan.point(point.point).arrivals
    return msgspec.json.encode((setting, load), order="deterministic")


def _compare_points(before: PointMetrics, after: PointMetrics, margin: float) -> PointComparison:
    if Verdict.INVALID in (before.verdict, after.verdict):
        return PointComparison(before, after, None, None)
    rates = (_throughput(before), _throughput(after))
    tails = (_p99(before), _p99(after))
    return PointComparison(
        before,
        after,
        compare_apart(*rates, margin=margin) if _both(rates) else None,
        compare_apart(*tails, higher_is_better=False, margin=margin) if _both(tails) else None,
    )


def _both(runs: tuple[Runs | None, Runs | None]) -> TypeGuard[tuple[Runs, Runs]]:
    return None not in runs


def _throughput(point: PointMetrics) -> Runs | None:
    values = tuple(trial.throughput_rps.value for trial in point.trials)
    return Runs(values, point.throughput_rps) if point.throughput_rps.value > 0 else None


def _p99(point: PointMetrics) -> Runs | None:
    pooled = _estimate(point.response.at(0.99))
    if pooled is None:
        return None
    singles = [_estimate(trial.response.at(0.99)) for trial in point.trials]
    return Runs(tuple(single.value for single in singles if single is not None), pooled)


def _estimate(quantile: Quantile | None) -> Interval | None:
    if quantile is None or not quantile.value_ms or quantile.at_least or quantile.only_bound:
        return None
    return quantile.interval_ms


def _worst(changes: list[Change]) -> Change:
    return min(changes, key=_ORDER.index, default=Change.INCONCLUSIVE)
