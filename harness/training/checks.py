"""Judges fits and points: findings and a verdict for each fit, each point, and each point compared with the others.

What a setting does to a model (it overfits, it is still learning) is an insight and leaves the verdict VALID. A fit
that diverged or was cut off has no accuracy and is INVALID. The thresholds are constants.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks.case import finding, judged, worst_of_each_kind
from harness.judge.checks.machine import SAMPLER, stolen_time
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, percent
from harness.judge.stats.mean_intervals import FEWEST_TRIALS
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.checks.case import Judgement
    from harness.judge.findings import Finding
    from harness.training.plan import TrainingPlan
    from harness.training.run_dir import FitData
    from harness.training.training_metrics import Curve, FitMetrics, TrainingPointMetrics

DIVERGED = FindingKind("diverged", "Training diverged")
TRAINER_DIED = FindingKind("trainer_died", "The trainer died")
EPOCHS_MISSING = FindingKind("epochs_missing", "Epochs are missing")
NOT_LEARNED = FindingKind("not_learned", "Nothing was learned")
TOO_FEW_SEEDS = FindingKind("too_few_seeds", "Too few seeds")
OVERFITTING = FindingKind("overfitting", "Overfitting")
UNCONVERGED = FindingKind("unconverged", "Still learning at the end")
UNDERFITTING = FindingKind("underfitting", "Underfitting")
UNEQUAL_SEEDS = FindingKind("unequal_seeds", "Values were not trained from the same seeds")
OVERFITTING_GAP = 0.05  # training accuracy over validation accuracy
OVERFITTING_RISE = 0.1  # validation loss at the end over its lowest
UNDERFITTING_BY = 0.05  # training accuracy below what is within reach
STILL_FALLING = 0.03  # of the validation loss, from one tenth of the epochs to the next
_POINTS = 100.0


def judge_fit(metrics: FitMetrics, data: FitData, plan: TrainingPlan) -> Judgement:
    """The verdict on one fit, and the findings behind it."""
    return judged((
        _diverged(metrics),
        _trainer_died(data),
        _epochs_missing(metrics, data),
        _steal(metrics, plan),
        _sampler(metrics, data),
        _not_learned(metrics, data),
    ))  # fmt: skip


def judge_training_point(metrics: TrainingPointMetrics, plan: TrainingPlan) -> Judgement:
    """The verdict on a setting over its seeds, and the findings behind it."""
    checks = (_too_few_seeds(metrics, plan), _overfitting(metrics), _unconverged(metrics))
    return judged((*_of_its_fits(metrics), *checks))


def judge_together(points: Sequence[TrainingPointMetrics], plan: TrainingPlan) -> tuple[TrainingPointMetrics, ...]:
    """The points with the findings that only a comparison with the other points shows."""
    return tuple(_beside_others(point, points, plan) for point in points)


def _beside_others(
    point: TrainingPointMetrics, points: Sequence[TrainingPointMetrics], plan: TrainingPlan
) -> TrainingPointMetrics:
    checks = (_unequal_seeds(point, points), _underfitting(point, points, plan))
    verdict, findings = judged((*point.findings, *checks))
    return msgspec.structs.replace(point, verdict=verdict, findings=findings)


def _diverged(metrics: FitMetrics) -> Finding | None:
    epoch = metrics.diverged_epoch
    if epoch is None:
        return None
    text = f"The loss was no finite number after epoch {epoch}: the fit diverged, and has no accuracy to give."
    remedy = "Lower learning_rate (a tenth is a good next try), or take another loss or activation."
    return finding(DIVERGED, Verdict.INVALID, text, remedy, epoch=epoch)


def _trainer_died(data: FitData) -> Finding | None:
    if not data.trainer_died:
        return None
    remedy = "trainer.log says why; go on with --resume, which trains it again."
    return finding(TRAINER_DIED, Verdict.INVALID, f"{data.failure}.".capitalize(), remedy)


def _epochs_missing(metrics: FitMetrics, data: FitData) -> Finding | None:
    if data.failure is None or data.trainer_died:
        return None
    text = f"{metrics.epochs} of {metrics.planned_epochs} epochs are there: {data.failure}."
    return finding(EPOCHS_MISSING, Verdict.INVALID, text, "Go on with --resume, which trains it again.")


def _steal(metrics: FitMetrics, plan: TrainingPlan) -> Finding | None:
    """Stolen CPU time changes the timings and not the accuracy: it degrades only a run that compares speed."""
    found = stolen_time(metrics.usage)
    if found is None:
        return None
    return msgspec.structs.replace(found, verdict=Verdict.DEGRADED if plan.by_speed else Verdict.VALID)


def _sampler(metrics: FitMetrics, data: FitData) -> Finding | None:
    if not metrics.epochs or metrics.usage.cpu_target_cores is not None:
        return None
    text = "There are fewer than two resource samples of this fit: CPU, memory and GPU are unknown."
    if data.sampler_failure:
        text = f"{text} The samplers failed: {data.sampler_failure.rstrip('.')}."
    return finding(SAMPLER, Verdict.VALID, text, "A fit of a second or more has some.")


def _not_learned(metrics: FitMetrics, data: FitData) -> Finding | None:
    """The test accuracy is within two standard errors of that of always naming the most frequent class."""
    if metrics.test_accuracy is None or data.fit is None:
        return None
    guess, count = data.fit.majority_share, data.fit.model.test_count or 1
    if metrics.test_accuracy > guess + 2 * math.sqrt(guess * (1 - guess) / count):
        return None
    text = (
        f"{percent(metrics.test_accuracy)} of the test examples are right; always naming the commonest class "
        f"would do as well ({percent(guess)})."
    )
    remedy = "Change learning_rate by a factor of ten either way; then train longer (epochs)."
    return finding(NOT_LEARNED, Verdict.DEGRADED, text, remedy, accuracy=metrics.test_accuracy, guess=guess)


def _of_its_fits(metrics: TrainingPointMetrics) -> Iterator[Finding]:
    """The worst finding of each kind over the fits.

    A fit that is not whole for reasons outside the setting costs the point its seed, not its verdict, as long as
    others are whole. A setting that diverges from any seed cannot be relied on.
    """
    for shown, number, count in worst_of_each_kind([fit.findings for fit in metrics.fits]):
        fits, seed = len(metrics.fits), metrics.fits[number].seed
        where = f"From {count} of {fits} seeds, first from seed {seed}: " if fits > 1 else ""
        costs_a_seed = shown.kind in (EPOCHS_MISSING.name, TRAINER_DIED.name) and metrics.seeds
        verdict = Verdict.DEGRADED if costs_a_seed else shown.verdict
        yield msgspec.structs.replace(shown, text=where + shown.text, verdict=verdict)


def _too_few_seeds(metrics: TrainingPointMetrics, plan: TrainingPlan) -> Finding | None:
    if not metrics.seeds or metrics.seeds >= FEWEST_TRIALS:
        return None
    alone = len(plan.points) == 1
    several = "s" if metrics.seeds > 1 else ""
    text = f"{metrics.seeds} seed{several}: how much the result depends on the start is not known" + (
        "." if alone else ", nor whether a value is better or had a lucky start."
    )
    remedy = f"Train from {FEWEST_TRIALS} seeds or more (--seeds {FEWEST_TRIALS})."
    verdict = Verdict.VALID if alone else Verdict.DEGRADED
    return finding(TOO_FEW_SEEDS, verdict, text, remedy, seeds=metrics.seeds)


def _overfitting(metrics: TrainingPointMetrics) -> Finding | None:
    """The accuracy on the training examples is higher, or the validation loss has risen from its minimum."""
    train, validation, gap = metrics.train_accuracy, metrics.validation_accuracy, metrics.gap
    if train is None or validation is None or gap is None:
        return None
    rise, turn = _turn(metrics.curves.validation_loss)
    if gap.value < OVERFITTING_GAP and (rise < OVERFITTING_RISE or gap.value <= 0):
        return None
    text = f"{percent(train.value)} of the training examples are right, but {percent(validation.value)} of the others"
    remedy = "Regularise: more dropout, l2 or input_noise; or fit less: fewer epochs."
    if rise >= OVERFITTING_RISE:
        text += f"; the validation loss has risen by {percent(rise)} since epoch {turn}"
        remedy = f"Stop earlier (epochs={turn}), or regularise: more dropout, l2 or input_noise."
    return finding(OVERFITTING, Verdict.VALID, f"{text}.", remedy, gap=gap.value, rise=rise)


def _turn(loss: Curve) -> tuple[float, int]:
    """The rise of the loss from its minimum to its end, as a share of the minimum, and the epoch of the minimum.

    Both are means over a tenth of the epochs, as single epochs jump.
    """
    if not loss.values or min(loss.values) <= 0:
        return 0.0, 0
    tenth = max(1, len(loss.values) // 10)
    means = [sum(loss.values[at - tenth : at]) / tenth for at in range(tenth, len(loss.values) + 1)]
    lowest = means.index(min(means))
    return means[-1] / means[lowest] - 1, loss.epochs[lowest + tenth // 2]


def _unconverged(metrics: TrainingPointMetrics) -> Finding | None:
    """The mean validation loss fell by `STILL_FALLING` or more from one tenth of the epochs to the last tenth."""
    loss = metrics.curves.validation_loss.values
    tenth = max(1, len(loss) // 10)
    if len(loss) < 2 * tenth or not metrics.seeds:
        return None
    before, last = (sum(part) / tenth for part in (loss[-2 * tenth : -tenth], loss[-tenth:]))
    fall = 1 - last / before if before > 0 else 0.0
    if fall < STILL_FALLING:
        return None
    text = f"The validation loss was still falling at the end: by {percent(fall)} over the last {_epochs(tenth)}."
    remedy = f"Train longer (epochs={2 * metrics.epochs}), or take larger steps (learning_rate)."
    return finding(UNCONVERGED, Verdict.VALID, text, remedy, fall=fall)


def _epochs(count: int) -> str:
    return "epoch" if count == 1 else f"{count} epochs"


def _underfitting(
    metrics: TrainingPointMetrics, points: Sequence[TrainingPointMetrics], plan: TrainingPlan
) -> Finding | None:
    """The accuracy on the training examples is well below the target, or below that of another setting."""
    train, gap = metrics.train_accuracy, metrics.gap
    learned_nothing = any(finding.kind == NOT_LEARNED.name for finding in metrics.findings)
    if train is None or gap is None or gap.value >= OVERFITTING_GAP or learned_nothing:
        return None
    others = {other.train_accuracy.value: other for other in points if other.train_accuracy is not None}
    within_reach = max([plan.target_accuracy, *others])
    if train.value > within_reach - UNDERFITTING_BY:
        return None
    text = f"Only {percent(train.value)} of the training examples are right"
    if within_reach in others and others[within_reach] is not metrics:
        text += f", against {percent(within_reach)} with {setting_text(others[within_reach].setting)}"
    remedy = "Less dropout, l2 or input_noise, another learning_rate, more epochs, or a larger model (--model)."
    by = _POINTS * (within_reach - train.value)
    return finding(UNDERFITTING, Verdict.VALID, f"{text}.", remedy, below_by_points=float(figure(by, 3)))


def _unequal_seeds(metrics: TrainingPointMetrics, points: Sequence[TrainingPointMetrics]) -> Finding | None:
    """Seeds of other points are missing here: points are compared seed by seed."""
    own = {fit.seed for fit in metrics.fits if fit.whole}
    every = {fit.seed for point in points for fit in point.fits if fit.whole}
    lacking = sorted(every - own)
    if not own or not lacking:
        return None
    listed = ", ".join(str(seed) for seed in lacking)
    text = f"Seed{'s' if len(lacking) > 1 else ''} {listed} of the other values {'are' if len(lacking) > 1 else 'is'} "
    remedy = "Go on with --resume; where a seed diverged, the value cannot be relied on."
    return finding(UNEQUAL_SEEDS, Verdict.DEGRADED, f"{text}missing here.", remedy, missing=len(lacking))
