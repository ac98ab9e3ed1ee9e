"""Fits the simulation to a run's rows: the measured service time of one process with the whole model.

The service time is fitted over the batches that the rows tell of. What a request costs beside its share of a batch
(reading, decoding, writing) shows in trials that kept the process busy: there a batch of b rows every b / throughput
seconds took s(b) and b such costs. What is left of the response time under the lightest load is the way to the client
and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import UserError
from harness.judge.numbers.trial_rows import trial_rows
from harness.judge.simulation.batching import batching_of
from harness.judge.simulation.service_time import ServiceTime, fit_service
from harness.plan.process_layout import WHOLE, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import TrialRows
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, Point
    from harness.record.trial_data import TrialData

MS_PER_S = NS_PER_S / NS_PER_MS
BUSY_WAIT_SHARE = 0.5  # of a batch's time: who waits so long for the model finds it at work


@dataclass(frozen=True, slots=True)
class ServiceFit:
    """What the simulation takes from a run; `busy_trials` 0: nothing shows what a request costs beside the model."""

    service: ServiceTime
    request_ms: float
    travel_ms: float
    batches: int
    busy_trials: int
    largest_batch: int  # in rows, of which enough were measured to say how long they take


@dataclass(frozen=True, slots=True)
class BatchTrial:
    """The batches of one trial, and its means: times per batch or per request, in ms."""

    point: Point
    rows: NDArray[np.int64]  # (batches,)
    times_ms: NDArray[np.float64]  # (batches,)
    throughput_rps: float
    wait_ms: float
    response_ms: float
    responses_ms: NDArray[np.float64]  # of all good requests, sorted
    batching: Setting = field(default_factory=dict)  # the knobs of batching, complete

    @property
    def mean_rows(self) -> float:
        """Rows in a batch."""
        return float(self.rows.mean())

    @property
    def mean_time_ms(self) -> float:
        """Time of a batch in the model."""
        return float(self.times_ms.mean())

    @property
    def busy(self) -> bool:
        """Whether the model was always at work, by how long requests waited for it."""
        return self.wait_ms > BUSY_WAIT_SHARE * self.mean_time_ms

    @property
    def own_ms(self) -> float:
        """Time of a request beside the model."""
        return max(0.0, MS_PER_S / self.throughput_rps - self.mean_time_ms / self.mean_rows)

    def travel_ms(self, own_ms: float) -> float:
        """The part of the mean response time that is neither waiting nor the batch's own time."""
        per_request_ms = float(np.average(self.times_ms, weights=self.rows))
        mean_rows = float(np.average(self.rows, weights=self.rows))
        return max(0.0, self.response_ms - self.wait_ms - per_request_ms - own_ms * mean_rows)


def batch_trials(plan: Plan, trials: Iterable[TrialData]) -> list[BatchTrial]:
    """The batches of the trials with one replica of the whole model; none of a trial whose rows have no batches."""
    told = (_trial(each.point, trial_rows(each)) for each in trials if _is_whole(plan, each))
    found = [trial for trial in told if trial is not None]
    if not found:
        return []
    largest = most_rows(found)
    return [replace(trial, batching=_batching(plan, trial.point, largest)) for trial in found]


def most_rows(trials: Sequence[BatchTrial]) -> int:
    """Of the largest batch in any of the trials."""
    return max(int(trial.rows.max()) for trial in trials)


def fit(trials: Sequence[BatchTrial]) -> ServiceFit:
    """Fit to the batches of those trials. Raises UserError where there are none."""
    if not trials:
        raise UserError(
            "DIR: no trial of one replica, one stage and dispatch=port says how long its batches took; "
            "run one, for example `sweep batch_size=1,8,32 --concurrency 1,64`"
        )
    rows, times_ms = (np.concatenate([getattr(trial, name) for trial in trials]) for name in ("rows", "times_ms"))
    busy = [trial.own_ms for trial in trials if trial.busy]
    request_ms = float(np.median(busy)) if busy else 0.0
    service = fit_service(rows, times_ms)
    return ServiceFit(
        service=service,
        request_ms=request_ms,
        travel_ms=min(trial.travel_ms(request_ms) for trial in trials),
        batches=int(rows.size),
        busy_trials=len(busy),
        largest_batch=len(service.curve_ms) or int(rows.max()),
    )


def _batching(plan: Plan, point: Point, largest: int) -> Setting:
    return batching_of(plan.target_request(point).target, plan.setting_of(point), largest)


def _is_whole(plan: Plan, trial: TrialData) -> bool:
    return layout_of(plan.setting_of(trial.point), cores=2) == WHOLE


def _trial(point: Point, rows: TrialRows | None) -> BatchTrial | None:
    if rows is None:
        return None
    good = rows.good
    told = good.where((good["compute_ns"] >= 0) & (good["batch_size"] > 0))
    if not len(told):
        return None
    # All requests of a batch tell its time to the nanosecond, so that equal pairs are one batch.
    pairs = np.unique(np.stack([told["compute_ns"], told["batch_size"]]), axis=1)
    waits_ns = np.maximum(told["queue_ns"], 0) + np.maximum(told["batch_wait_ns"], 0)
    return BatchTrial(
        point=point,
        rows=pairs[1],
        times_ms=pairs[0] / NS_PER_MS,
        throughput_rps=len(good) / rows.window.seconds,
        wait_ms=float(waits_ns.mean()) / NS_PER_MS,
        response_ms=float((told["done_ns"] - told["due_ns"]).mean()) / NS_PER_MS,
        responses_ms=np.sort(good["done_ns"] - good["due_ns"]) / NS_PER_MS,
    )
