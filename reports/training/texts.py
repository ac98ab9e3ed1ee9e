"""The texts of a training run: names and columns of its points, and how shares are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import setting_text
from harness.training.checks import DIVERGED, NOT_LEARNED, OVERFITTING, UNCONVERGED, UNDERFITTING
from reports import units
from reports.labels import reasons
from reports.text.run_texts import RunTexts, knob_columns, verdict_cell, with_interval

if TYPE_CHECKING:
    from harness.judge.interval import Interval
    from harness.training.plan import TrainingPlan
    from harness.training.training_metrics import TrainingPointMetrics
    from reports.text.run_texts import Cell, Columns

_FIT_WORDS = {
    DIVERGED.name: "diverged",
    NOT_LEARNED.name: "learned nothing",
    OVERFITTING.name: "overfits",
    UNDERFITTING.name: "underfits",
    UNCONVERGED.name: "still learning",
}


def label(point: TrainingPointMetrics) -> str:
    """`learning_rate=0.01`."""
    return setting_text(point.setting) or "the model"


def fit_words(point: TrainingPointMetrics) -> str:
    """`overfits`, `underfits, still learning`; `balanced` where neither shows, a dash where nothing came out."""
    kinds = [finding.kind for finding in point.findings]
    words = [word for kind, word in _FIT_WORDS.items() if kind in kinds]
    return ", ".join(words) or ("balanced" if point.seeds else units.ABSENT)


def share(value: float | None) -> str:
    """A share of 1 in percent, one digit behind the point: the resolution of a thousand examples."""
    return units.ABSENT if value is None else f"{100 * value:.1f}"


def shares(interval: Interval | None) -> tuple[str, str]:
    """A share in percent and its interval."""
    if interval is None:
        return units.ABSENT, ""
    known = interval.low is not None and interval.high is not None
    return share(interval.value), f"{share(interval.low)}{units.ABSENT}{share(interval.high)}" if known else ""


def training_texts(plan: TrainingPlan) -> RunTexts[TrainingPointMetrics]:
    """The texts of `plan`."""
    seeds = units.several(plan.seeds, "seed")
    target = f"s to {100 * plan.target_accuracy:g} %"
    fits = units.several(len(plan.trials), "fit")
    epochs = units.several(sum(plan.epochs[trial.point] for trial in plan.trials), "epoch")
    return RunTexts(
        subject=f"training, {plan.model}",
        label=label,
        seconds=lambda point: point.seconds.value if point.seconds else 0.0,
        limit=f"target accuracy: {plan.target_accuracy:g}",
        keeps_limit=lambda point: point.meets_target,
        properties={
            "trainer": plan.trainer,
            "model": plan.model,
            "target accuracy": f"{plan.target_accuracy:g}",
        },
        method=[f"Trainer {plan.trainer}", f"model {plan.model}", f"{seeds} per point"],
        plan_lines=[
            f"{plan.name}: {plan.trainer}, {plan.model}",
            f"{units.several(len(plan.points), 'point')} x {seeds} = {fits}, {epochs} in all",
            f"target accuracy: {plan.target_accuracy:g}",
        ],
        trial=lambda trial: f"{plan.point(trial.point).slug} seed={trial.seed}",
        csv_columns=_csv_columns(plan),
        terminal_columns={
            **knob_columns(plan, ()),
            "seeds": lambda point: str(point.seeds),
            "test %": lambda point: shares(point.test_accuracy)[0],
            "95 %": lambda point: shares(point.test_accuracy)[1],
            "valid. %": lambda point: shares(point.validation_accuracy)[0],
            "train %": lambda point: shares(point.train_accuracy)[0],
            "gap": lambda point: shares(point.gap)[0],
            "fit": fit_words,
            "examples/s": lambda point: units.estimate(point.samples_per_s, 2)[0],
            target: lambda point: units.estimate(point.seconds_to_target, 2)[0],
            "verdict": verdict_cell,
        },
        not_narrow=frozenset({"seeds", "95 %", "valid. %", "train %", target}),
        markdown_columns={
            "test accuracy %": lambda point: with_interval(shares(point.test_accuracy)),
            "training %": lambda point: shares(point.train_accuracy)[0],
            "gap": lambda point: shares(point.gap)[0],
            "fit": fit_words,
            "examples/s": lambda point: units.estimate(point.samples_per_s)[0],
            target: lambda point: units.estimate(point.seconds_to_target)[0],
        },
        text_columns=frozenset({"fit"}),
        best_line=_test_line,
    )


def _test_line(point: TrainingPointMetrics) -> str:
    if point.test_accuracy is None:
        return ""
    loss = units.number(point.test_loss.value if point.test_loss else None)
    return f"test loss {loss}, test accuracy {share(point.test_accuracy.value)} %"


def _interval(name: str, end: str = "value") -> Cell[TrainingPointMetrics]:
    def cell(point: TrainingPointMetrics) -> str:
        interval = getattr(point, name)
        return "" if interval is None else units.machine_number(getattr(interval, end))

    return cell


def _csv_columns(plan: TrainingPlan) -> Columns[TrainingPointMetrics]:
    """Accuracies are shares of 1, CPU is in cores."""
    after: dict[str, Cell[TrainingPointMetrics]] = {
        "seeds": lambda point: str(point.seeds),
        "epochs": lambda point: str(point.epochs),
        "seconds": _interval("seconds"),
        "test_accuracy": _interval("test_accuracy"),
        "test_accuracy_lo": _interval("test_accuracy", "low"),
        "test_accuracy_hi": _interval("test_accuracy", "high"),
        "test_loss": _interval("test_loss"),
        "validation_accuracy": _interval("validation_accuracy"),
        "validation_accuracy_lo": _interval("validation_accuracy", "low"),
        "validation_accuracy_hi": _interval("validation_accuracy", "high"),
        "train_accuracy": _interval("train_accuracy"),
        "generalisation_gap": _interval("gap"),
        "fit": lambda point: fit_words(point).replace(units.ABSENT, ""),
        "samples_per_s": _interval("samples_per_s"),
        "samples_per_s_lo": _interval("samples_per_s", "low"),
        "samples_per_s_hi": _interval("samples_per_s", "high"),
        "seconds_to_target": _interval("seconds_to_target"),
        "reached_target": lambda point: str(point.reached_target),
        "cpu_trainer": lambda point: units.machine_number(point.usage.cpu_target_cores),
        "rss_trainer_mb": lambda point: units.machine_number(point.usage.rss_target_mb),
        "gpu_utilization_percent": lambda point: units.machine_number(point.usage.gpu_utilization_percent),
        "verdict": lambda point: point.verdict.value,
        "reasons": lambda point: ";".join(reasons(point)),
    }
    return {"trainer": lambda _: plan.trainer, "model": lambda _: plan.model, **knob_columns(plan, (), after), **after}
