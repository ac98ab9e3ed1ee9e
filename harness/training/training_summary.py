"""Computes every number of a training report: epochs and fits in, metrics out.

Settings are chosen by their accuracy on the validation examples; the test examples judge what was chosen. A mean
and its interval are over seeds: they say how far a setting's result depends on the start and the order of examples.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.numbers.resource_usage import mean_usage, usage
from harness.judge.numbers.sample_series import SampleSeries
from harness.judge.stats.mean_intervals import mean_of_trials, share_interval
from harness.record.rows import Window
from harness.training.checks import judge_fit, judge_together, judge_training_point
from harness.training.curves import curves, finite
from harness.training.training_metrics import FitMetrics, TrainingPointMetrics, TrainingResult
from harness.training.training_recommendation import recommend_training, training_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.training.epochs import Epoch
    from harness.training.plan import TrainingPlan, TrainingPoint
    from harness.training.run_dir import FitData

_OVER_SEEDS = ("seconds", "test_loss", "samples_per_s")
_SHARES = ("test_accuracy", "validation_accuracy", "train_accuracy")


def summarise_fit(data: FitData, plan: TrainingPlan) -> FitMetrics:
    """The metrics of one fit, with its verdict."""
    rows, fit = data.epochs, data.fit
    diverged = next((row.epoch for row in rows if not finite(row)), None)
    last = rows[-1] if rows and diverged is None else None
    lowest = min(rows, key=lambda row: row.validation_loss) if last else None
    whole = fit is not None and diverged is None and data.failure is None
    metrics = FitMetrics(
        trial=data.trial.number,
        repeat=data.trial.repeat,
        seed=data.trial.seed,
        epochs=len(rows),
        planned_epochs=data.planned_epochs,
        diverged_epoch=diverged,
        seconds=_fit_seconds(rows),
        train_loss=last.train_loss if last else None,
        train_accuracy=last.train_accuracy if last else None,
        validation_loss=last.validation_loss if last else None,
        validation_accuracy=last.validation_accuracy if last else None,
        test_loss=fit.model.test_loss if whole and fit else None,
        test_accuracy=fit.model.test_accuracy if whole and fit else None,
        gap=last.train_accuracy - last.validation_accuracy if last else None,
        lowest_loss_epoch=lowest.epoch if lowest else None,
        loss_rise=_rise(lowest, last),
        samples_per_s=_samples_per_s(rows),
        seconds_to_target=_seconds_to(plan.target_accuracy, rows),
        usage=usage(SampleSeries(data.samples), Window(rows[0].begin_ns, rows[-1].end_ns)) if rows else mean_usage([]),
        verdict=Verdict.VALID,
        findings=(),
    )
    verdict, findings = judge_fit(metrics, data, plan)
    return msgspec.structs.replace(metrics, verdict=verdict, findings=findings)


def summarise_training_point(plan: TrainingPlan, point: TrainingPoint, data: Sequence[FitData]) -> TrainingPointMetrics:
    """The metrics of one setting over its seeds (at least one fit), with its verdict."""
    fits = tuple(summarise_fit(each, plan) for each in data)
    whole = [fit for fit in fits if fit.whole]
    shares = {name: _mean(_known(whole, name), highest=1.0) for name in _SHARES}
    test = shares["test_accuracy"]
    times = _known(whole, "seconds_to_target")
    metrics = TrainingPointMetrics(
        point=point.number,
        setting=point.setting,
        seeds=len(whole),
        epochs=plan.epochs[point.number],
        test_sampling=_sampling(test, data),
        gap=_mean(_known(whole, "gap"), lowest=-math.inf),
        seconds_to_target=_mean(times) if whole and len(times) == len(whole) else None,
        reached_target=len(times),
        meets_target=None if test is None else test.value >= plan.target_accuracy,
        curves=curves([each.epochs for each, fit in zip(data, fits, strict=True) if fit.whole or not whole]),
        usage=mean_usage([fit.usage for fit in fits if fit.epochs]),
        verdict=Verdict.VALID,
        findings=(),
        fits=fits,
        **shares,
        **{name: _mean(_known(whole, name)) for name in _OVER_SEEDS},
    )
    verdict, findings = judge_training_point(metrics, plan)
    return msgspec.structs.replace(metrics, verdict=verdict, findings=findings)


def summarise_training(plan: TrainingPlan, data: Iterable[FitData]) -> TrainingResult:
    """All points that were fitted, the recommendation, and the trials that are missing."""
    by_point: dict[int, list[FitData]] = defaultdict(list)
    for each in data:
        by_point[each.point.number].append(each)
    fitted = [point for point in plan.points if by_point[point.number]]
    points = judge_together([summarise_training_point(plan, p, by_point[p.number]) for p in fitted], plan)
    found = recommend_training(points, plan)
    shown = found.best_point if found.best_point is not None else next(iter(by_point), None)
    fit = next((each.fit for each in by_point.get(shown, ()) if each.fit), None) if shown is not None else None
    return TrainingResult(
        points=points,
        recommendation=found,
        verdict=training_verdict(found, points),
        model=fit.model if fit else None,
        setting=fit.setting if fit else {},
        validation_count=fit.validation_count if fit else None,
        devices=fit.devices if fit else (),
        missing=tuple(_missing(plan, points)),
    )


def _missing(plan: TrainingPlan, points: Sequence[TrainingPointMetrics]) -> Iterable[str]:
    done = {(point.point, fit.repeat) for point in points for fit in point.fits}
    for trial in plan.trials:
        if (trial.point, trial.repeat) not in done:
            yield f"{plan.point(trial.point).slug}, seed {trial.seed}: not trained"


def _fit_seconds(rows: Sequence[Epoch]) -> float:
    return sum(row.fitted_ns - row.begin_ns for row in rows) / NS_PER_S


def _samples_per_s(rows: Sequence[Epoch]) -> float | None:
    """The rate over all epochs but the first, in which the trainer compiles its step."""
    seconds = _fit_seconds(rows[1:])
    return sum(row.examples for row in rows[1:]) / seconds if seconds > 0 else None


def _seconds_to(target_accuracy: float, rows: Sequence[Epoch]) -> float | None:
    reached = next((at for at, row in enumerate(rows, 1) if row.validation_accuracy >= target_accuracy), None)
    return None if reached is None else _fit_seconds(rows[:reached])


def _rise(lowest: Epoch | None, last: Epoch | None) -> float | None:
    if lowest is None or last is None or lowest.validation_loss <= 0:
        return None
    return last.validation_loss / lowest.validation_loss - 1


def _known(fits: Sequence[FitMetrics], name: str) -> list[float]:
    return [value for fit in fits if (value := getattr(fit, name)) is not None]


def _mean(values: Sequence[float], lowest: float = 0.0, highest: float = math.inf) -> Interval | None:
    return mean_of_trials(values).clipped(lowest, highest) if values else None


def _sampling(accuracy: Interval | None, data: Sequence[FitData]) -> Interval | None:
    count = next((each.fit.model.test_count for each in data if each.fit), None)
    if accuracy is None or not count:
        return None
    low, high = share_interval(round(accuracy.value * count), count)
    return Interval(value=accuracy.value, low=low, high=high)
