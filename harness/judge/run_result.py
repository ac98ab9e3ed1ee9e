"""The result of a run, which `run_summary.py` makes: recommendation, capacities, scaling, and the metrics of points."""

from __future__ import annotations

import msgspec

from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Accuracy, PointMetrics
from harness.judge.paired_result import PairedComparison
from harness.judge.simulation_result import Simulation
from harness.judge.tuning.tuning_result import Tuning
from harness.plan.knobs import Setting
from harness.record.model_card import ModelCard

AVAILABLE = 0.99  # of the time
BY_OUTAGE = {"errors", "unavailable", "target_died"}  # kinds of findings of a target that does not serve


class StreamLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A rate of requests to a language model in the units of its users."""

    tokens_per_s: float  # output tokens of all users
    measured_at_rps: float  # where the others were measured
    users: float | None  # served at a time, on average
    tokens_per_s_of_user: float | None


class Cliff(msgspec.Struct, frozen=True, kw_only=True):
    """A rate little above a capacity at which very many requests break the objective."""

    rate_rps: float
    share: float  # of the requests, that break the bound
    bound: str  # "ttft_p99", "errors", ...
    answered_rps: float | None  # where that is much less than at the capacity; else None


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate at which one setting keeps the objective."""

    setting: Setting
    rate_rps: Interval | None  # None: it was kept at all rates that were tried, or at none
    kept_rps: float | None  # the highest rate that surely keeps it, by its own trials
    missed_rps: float | None  # the lowest rate above that surely does not
    unknown_rps: float | None = None  # the lowest rate above `kept_rps` of which INVALID trials say nothing
    holds_from_rps: float | None = None  # lower rates do not keep it, where batches wait to fill
    held_again_rps: tuple[float, float] | None = None  # a rate that misses it, and a higher one that keeps it
    cliff: Cliff | None = None
    streams: StreamLoad | None = None  # the same in the units of a language model's users
    trials: int  # of rates
    why_none: str = ""  # why no rate is known that it sustains, in words; empty where one is
    more_seconds: float | None = None  # that would tell it to 5 %; None where it is, or nobody knows


class BaseRecommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Which setting to use, and how sure that is. `sentence` is what a user reads first."""

    sentence: str
    best_point: int | None = None
    baseline_point: int | None = None
    tied_points: tuple[int, ...] = ()  # points that the data cannot tell from the best


class Recommendation(BaseRecommendation, frozen=True, kw_only=True):
    """Which setting to serve with."""

    speedup: Interval | None = None  # throughput of best over baseline
    more_seconds: float | None = None  # it cannot be said yet; about this much more would do
    # Within a budget only:
    rate_rps: Interval | None = None  # what the best is ranked by (`unit_of` in a search), by fresh trials only
    goodput_rps: Interval | None = None  # the part of it within the objective; None without one
    certainty: float | None = None  # probability that the best is within 2 % of the best of all settings
    open_points: tuple[int, ...] = ()  # points that may be better and could not be measured well


class TradeOffPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One setting at its best load, where settings differ in accuracy on the same payloads."""

    point: int
    setting: Setting
    meets_slo: bool | None  # None without an SLO, or where that is undecided
    accuracy: Accuracy  # on the payloads that every setting was asked
    on_front: bool  # no other setting is as accurate and as fast, and better in one of both


class LayoutMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one point's layout of processes. None where the point has too few requests for one."""

    point: int
    replicas: int
    stages: int
    dispatch: str
    processes: int  # that compute
    batches_in_flight: float | None
    bubble: float | None  # (S - 1) / (M + S - 1); None without stages
    busy_share: float | None  # of the time of the processes that compute, in model calls
    speedup: Interval | None  # throughput over that of the fewest processes at this load; None for itself
    efficiency: float | None  # speedup per process that computes
    most_speedup: float | None  # that the measured parts of the model allow; None where it was never cut


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """How the layouts of a run compare, load by load."""

    cores: int  # of the target, unless the knob says otherwise
    layouts: tuple[LayoutMetrics, ...]
    sentences: tuple[str, ...]


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report shows of one run, plan and environment excepted."""

    points: tuple[PointMetrics, ...]
    recommendation: Recommendation = msgspec.field(name="answer")  # its name in the JSON that users read
    verdict: Verdict
    model: ModelCard | None = None
    models: tuple[ModelCard, ...] = ()  # all that were served, by name
    trade_off: tuple[TradeOffPoint, ...] = ()  # accuracy against throughput, where settings differ in accuracy
    scaling: Scaling | None = None  # where layouts of processes were swept
    tuning: Tuning | None = None  # where the best setting was searched for
    comparison: PairedComparison | None = None  # where two variants were compared
    capacities: tuple[Capacity, ...] = ()  # where they were searched, for each setting
    simulation: Simulation | None = None  # where `simulate` was called
    missing: tuple[str, ...] = ()  # what the run directory lacks, in words

    @property
    def unavailable(self) -> bool:
        """Whether the target did not serve all the time at the recommended point, or at any where there is none.

        A target that gave no good response at all did not serve, whatever it did instead.
        """
        if self.points and not any(point.counts.ok for point in self.points):
            return True
        best = self.recommendation.best_point
        looked_at = [point for point in self.points if best is None or point.point == best]
        return any(found.data.get("available", 1.0) < AVAILABLE for point in looked_at for found in point.findings)

    @property
    def spoiled_by_outage(self) -> bool:
        """Whether it is INVALID only because the target was away: neither generator nor machine explains that.

        One that served at no time, but failed every request, is not away: the request or the setting is wrong.
        """
        grave = {found.kind for point in self.points for found in point.findings if found.verdict is Verdict.INVALID}
        served = any(point.counts.ok for point in self.points) or "unavailable" in grave
        return self.verdict is Verdict.INVALID and self.unavailable and served and bool(grave) and grave <= BY_OUTAGE

    @property
    def keeps_limit(self) -> bool:
        """Whether any point meets the SLO."""
        return any(point.meets_slo for point in self.points)
