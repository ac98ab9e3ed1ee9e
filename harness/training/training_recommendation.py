"""Recommends a setting to train with: the best of the points that are not INVALID, compared with the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.conclusions.grid_recommendation import why_all_invalid
from harness.judge.findings import Verdict
from harness.judge.number_text import figure, listed
from harness.judge.phrases import TIMES, TO
from harness.judge.run_summary import run_verdict
from harness.judge.stats.mean_intervals import FEWEST_TRIALS, mean_of_trials
from harness.plan.knobs import setting_text
from harness.training.checks import DIVERGED, OVERFITTING, UNCONVERGED, UNDERFITTING
from harness.training.training_metrics import TrainingRecommendation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.interval import Interval
    from harness.training.plan import TrainingPlan
    from harness.training.training_metrics import TrainingPointMetrics

MUCH_FASTER = 0.8  # of the time: from here on the recommendation mentions it


@dataclass(frozen=True, slots=True)
class _Choice:
    """The recommended point, the points that the data cannot tell from it, and its gain over the baseline."""

    best: TrainingPointMetrics
    tied: tuple[TrainingPointMetrics, ...]
    baseline: TrainingPointMetrics | None
    gain: Interval | None


def recommend_training(points: Sequence[TrainingPointMetrics], plan: TrainingPlan) -> TrainingRecommendation:
    """The recommendation over all `points`, in the order of the plan.

    Best is the highest mean accuracy on the validation examples among the points that are not INVALID; the test
    examples have no part in the choice. The test examples then say whether it is better than another: seed by seed,
    where the 95 % interval of the difference lies above zero. Where the swept knobs are a matter of speed, best is the
    fastest of those that cannot be told from the most accurate. The baseline is the plan's: what the model has where
    nothing is set, or the value swept first.
    """
    if not points:
        return TrainingRecommendation(sentence="No recommendation: nothing was trained.")
    trusted = [point for point in points if point.verdict is not Verdict.INVALID and point.validation_accuracy]
    if not trusted:
        return TrainingRecommendation(
            sentence=why_all_invalid(points, "fit") or "No recommendation: no fit was completed."
        )
    choice = _choose(trusted, plan)
    return TrainingRecommendation(
        sentence=" ".join(_sentences(choice, points, plan)),
        best_point=choice.best.point,
        baseline_point=choice.baseline.point if choice.baseline else None,
        gain=choice.gain,
        tied_points=tuple(point.point for point in choice.tied),
    )


def _choose(trusted: Sequence[TrainingPointMetrics], plan: TrainingPlan) -> _Choice:
    best = max(trusted, key=_validation)
    equals = [point for point in trusted if point is best or not _beats(best, point)]
    if plan.by_speed:
        best = max(equals, key=_speed)
    baseline = next((point for point in trusted if point.point == plan.baseline), None)
    return _Choice(
        best=best,
        tied=tuple(point for point in equals if point is not best),
        baseline=baseline,
        gain=_gain(baseline, best) if baseline and baseline is not best else None,
    )


def _speed(point: TrainingPointMetrics) -> float:
    return point.samples_per_s.value if point.samples_per_s else 0.0


def training_verdict(found: TrainingRecommendation, points: Sequence[TrainingPointMetrics]) -> Verdict:
    """The verdict on the recommendation. A setting that diverged is left out at no cost: it cannot be the best."""
    return run_verdict(found, [point for point in points if not _diverges(point)])


def _diverges(point: TrainingPointMetrics) -> bool:
    return any(finding.kind == DIVERGED.name for finding in point.findings)


def _validation(point: TrainingPointMetrics) -> float:
    return point.validation_accuracy.value if point.validation_accuracy else -1.0


def _beats(best: TrainingPointMetrics, other: TrainingPointMetrics) -> bool:
    gain = _gain(other, best)
    return gain is not None and gain.low is not None and gain.low > 0


def _gain(baseline: TrainingPointMetrics, best: TrainingPointMetrics) -> Interval | None:
    before, after = ({fit.seed: fit.test_accuracy for fit in point.fits if fit.whole} for point in (baseline, best))
    differences = [(after[seed] or 0.0) - (before[seed] or 0.0) for seed in sorted(set(before) & set(after))]
    return mean_of_trials(differences) if differences else None


def _sentences(choice: _Choice, points: Sequence[TrainingPointMetrics], plan: TrainingPlan) -> Iterable[str]:
    if plan.by_speed:
        yield from _speed_sentences(choice)
        return
    best, gain = choice.best, choice.gain
    test = best.test_accuracy if best.seeds >= FEWEST_TRIALS else best.test_sampling
    right = f"{_accuracy(test)} of the test examples" if test else "an unknown share of the test examples"
    if len(plan.points) == 1:
        yield f"{plan.model} gets {right} right after {best.epochs} epoch{'s' if best.epochs > 1 else ''}."
    else:
        against = f", {_points(gain)} than {_name(choice.baseline)}" if gain else ""
        claim = "is ahead" if choice.tied else "generalises best"
        yield f"{_name(best)} {claim}: it gets {right} right{against}."
    yield _fit_words(best)
    yield from _tie_words(best, choice.tied)
    if best.seeds < FEWEST_TRIALS and len(points) > 1:
        seeds = "One seed" if best.seeds == 1 else "Two seeds"
        yield f"{seeds} cannot distinguish a better value from a lucky start: use --seeds {FEWEST_TRIALS}."
    diverged = [_name(point) for point in points if _diverges(point)]
    if diverged:
        yield f"{listed(diverged)} diverged."


def _speed_sentences(choice: _Choice) -> Iterable[str]:
    """The fastest point and its speed relative to the points of equal accuracy."""
    best = choice.best
    rate = best.samples_per_s
    interval = f" ({figure(rate.low)}{TO}{figure(rate.high)})" if rate and rate.low and rate.high else ""
    yield f"{_name(best)} trains fastest: {figure(_speed(best))} examples/s{interval}."
    against = [
        f"{figure(_speed(best) / _speed(point))}{TIMES} {_name(point)}" for point in choice.tied if _speed(point)
    ]
    if against:
        yield f"That is {listed(against)}, and their accuracies cannot be distinguished."


def _fit_words(point: TrainingPointMetrics) -> str:
    """Whether the model overfits, underfits, or neither."""
    kinds = {finding.kind for finding in point.findings}
    gap = _in_points(point.gap.value) if point.gap else ""
    if OVERFITTING.name in kinds:
        return f"It overfits: the training examples are {gap} ahead of the validation examples."
    if {UNDERFITTING.name, UNCONVERGED.name} <= kinds:
        return "It underfits and was still learning at the end: more epochs may do better."
    if UNDERFITTING.name in kinds:
        return "It underfits: even the training examples are not learned."
    if UNCONVERGED.name in kinds:
        return f"It was still learning at the end ({gap} of generalisation gap): more epochs may do better."
    return f"The generalisation gap is {gap}: neither over- nor underfitting shows."


def _tie_words(best: TrainingPointMetrics, tied: Sequence[TrainingPointMetrics]) -> Iterable[str]:
    if not tied:
        return
    yield f"{listed([_name(point) for point in tied])} cannot be distinguished from it here."
    times = [(point.seconds.value, point) for point in tied if point.seconds and _surely_faster(point, best)]
    if best.seconds and times:
        seconds, fastest = min(times, key=lambda pair: pair[0])
        yield f"{_name(fastest)} trains {figure(best.seconds.value / seconds)}{TIMES} as fast."


def _surely_faster(point: TrainingPointMetrics, best: TrainingPointMetrics) -> bool:
    """Whether `point` takes less than 80 % of the time, with disjoint intervals: less may be the machine's doing."""
    if point.seconds is None or best.seconds is None or point.seconds.high is None or best.seconds.low is None:
        return False
    return point.seconds.high < best.seconds.low and point.seconds.value < MUCH_FASTER * best.seconds.value


def _accuracy(estimate: Interval) -> str:
    """`97.2 % (96.1-98.4)`."""
    value = f"{100 * estimate.value:.1f}\u202f%"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({100 * estimate.low:.1f}{TO}{100 * estimate.high:.1f})"


def _points(gain: Interval) -> str:
    """`2.1 points (1.2-3.0) more`."""
    words = "more" if gain.value >= 0 else "fewer"
    interval = ""
    if gain.low is not None and gain.high is not None:
        low, high = sorted((gain.low, gain.high)) if gain.value >= 0 else sorted((-gain.low, -gain.high))
        interval = f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{abs(100 * gain.value):.1f} points{interval} {words}"


def _in_points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _name(point: TrainingPointMetrics | None) -> str:
    return setting_text(point.setting if point else {}) or "the model"
