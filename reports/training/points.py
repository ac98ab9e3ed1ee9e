"""points.csv of a training run: one line per point, the file that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import format_value
from reports.csv_file import append_csv, csv_text
from reports.labels import reasons
from reports.training.words import fit_words
from reports.units import ABSENT, machine_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.training.metrics import TrainingPointMetrics
    from harness.training.plan import TrainingPlan

    Read = Callable[[TrainingPointMetrics], str]

_BEFORE_KNOBS = ("trainer", "model")


def _estimate(name: str, end: str = "value") -> Read:
    def read(point: TrainingPointMetrics) -> str:
        estimate = getattr(point, name)
        return "" if estimate is None else machine_number(getattr(estimate, end))

    return read


_AFTER_KNOBS: dict[str, Read] = {
    "seeds": lambda point: str(point.seeds),
    "epochs": lambda point: str(point.epochs),
    "seconds": _estimate("seconds"),
    "test_accuracy": _estimate("test_accuracy"),
    "test_accuracy_lo": _estimate("test_accuracy", "low"),
    "test_accuracy_hi": _estimate("test_accuracy", "high"),
    "test_loss": _estimate("test_loss"),
    "validation_accuracy": _estimate("validation_accuracy"),
    "validation_accuracy_lo": _estimate("validation_accuracy", "low"),
    "validation_accuracy_hi": _estimate("validation_accuracy", "high"),
    "train_accuracy": _estimate("train_accuracy"),
    "generalisation_gap": _estimate("gap"),
    "fit": lambda point: fit_words(point).replace(ABSENT, ""),
    "samples_per_s": _estimate("samples_per_s"),
    "samples_per_s_lo": _estimate("samples_per_s", "low"),
    "samples_per_s_hi": _estimate("samples_per_s", "high"),
    "seconds_to_target": _estimate("seconds_to_target"),
    "reached_target": lambda point: str(point.reached_target),
    "cpu_trainer": lambda point: machine_number(point.usage.cpu_target_cores),
    "rss_trainer_mb": lambda point: machine_number(point.usage.rss_target_mb),
    "gpu_utilization_percent": lambda point: machine_number(point.usage.gpu_utilization_percent),
    "verdict": lambda point: point.verdict.value,
    "reasons": lambda point: ";".join(reasons(point)),
}


def columns(plan: TrainingPlan) -> tuple[str, ...]:
    """Names of the columns: a swept knob that has a column already (`epochs`) gets no second one."""
    knobs = (name for name in plan.swept if name not in _AFTER_KNOBS)
    return (*_BEFORE_KNOBS, *knobs, *_AFTER_KNOBS)


def points_csv(points: Iterable[TrainingPointMetrics], plan: TrainingPlan, *, header: bool = True) -> str:
    """Lines for `points`, accuracies as shares of 1, CPU in cores; a number that the fits cannot support is empty."""
    return csv_text(columns(plan), (_line(point, plan) for point in points), header=header)


def append_point(run_dir: Path, plan: TrainingPlan, point: TrainingPointMetrics) -> None:
    """Add a point's line to `points.csv` as soon as it is known. Raises RunError where the disk refuses."""
    append_csv(run_dir / "points.csv", lambda header: points_csv([point], plan, header=header), "the epochs")


def _line(point: TrainingPointMetrics, plan: TrainingPlan) -> list[str]:
    cells = {
        **{name: format_value(value) for name, value in point.setting.items()},
        "trainer": plan.trainer,
        "model": plan.model,
        **{name: read(point) for name, read in _AFTER_KNOBS.items()},
    }
    return [cells.get(name, "") for name in columns(plan)]
