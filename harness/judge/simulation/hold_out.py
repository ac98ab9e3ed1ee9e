"""How far the simulation is off: each measured setting is predicted from the other settings and compared."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.judge.number_text import percent
from harness.judge.simulation.fit import fit
from harness.judge.simulation.prediction import system_of
from harness.judge.simulation.simulated_run import simulate
from harness.plan.arrivals import Closed, Poisson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.simulation.fit import BatchTrial
    from harness.plan.plan import Point

REQUESTS = 5_000  # simulated for each point
TOO_FAR = 0.25  # median error of throughput above which the predictions cannot be relied on


@dataclass(frozen=True, slots=True)
class PointError:
    """The error of one measured point: (predicted - measured) / measured, of throughput and mean response time.

    held_out: whether it was predicted from other settings only; else from all of them, its own included.
    """

    point: int
    throughput: float
    response: float
    held_out: bool


def prediction_errors(trials: Sequence[BatchTrial], seed: int) -> list[PointError]:
    """The error at each measured point with a closed loop or Poisson arrivals."""
    points = {trial.point.number: trial.point for trial in trials}
    return [
        _error(point, point.arrivals, trials, seed)
        for point in points.values()
        if isinstance(point.arrivals, Closed | Poisson)
    ]


def _error(point: Point, arrivals: Closed | Poisson, trials: Sequence[BatchTrial], seed: int) -> PointError:
    others = [trial for trial in trials if trial.point.setting != point.setting]
    own = [trial for trial in trials if trial.point.number == point.number]
    system = system_of(fit(others or trials), own[0].batching, ())
    outcome = simulate(system, arrivals, REQUESTS, seed)
    measured_rps = sum(trial.throughput_rps for trial in own) / len(own)
    measured_ms = sum(trial.response_ms for trial in own) / len(own)
    return PointError(
        point=point.number,
        throughput=outcome.throughput_rps / measured_rps - 1.0,
        response=float(outcome.responses_ms.mean()) / measured_ms - 1.0,
        held_out=bool(others),
    )


def error_sentence(errors: Sequence[PointError]) -> str:
    """The errors in one sentence, and what they mean for the predictions."""
    if not errors:
        return "How far it is off is not known: no measured point has a closed loop or Poisson arrivals."
    how = "predicted from the other settings" if errors[0].held_out else "simulated again with its own batches"
    rates, times = ([abs(getattr(each, name)) for each in errors] for name in ("throughput", "response"))
    text = (
        f"Each of {len(errors)} measured points, {how}: throughput is off by {percent(median(rates))} (median) and "
        f"by {percent(max(rates))} at most, mean response time by {percent(median(times))} and {percent(max(times))}."
    )
    if median(rates) > TOO_FAR:
        return f"{text} That is too far to rely on: measure more, or on a machine without other work."
    return text
