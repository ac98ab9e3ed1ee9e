"""Chooses the charts of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.plan.knobs import format_value
from reports.charts.epochs import EpochChart, EpochLine, draw_epochs
from reports.charts.gallery import Colour, Drawing, palette
from reports.charts.seed_values import Scale, ValueChart, ValueDot, draw_values
from reports.views.curves import MAX_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from markupsafe import Markup

    from harness.judge.interval import Interval
    from harness.training.training_metrics import FitMetrics, TrainingPointMetrics
    from reports.report_input import TrainingInput

    OfPoint = Callable[[TrainingPointMetrics], Interval | None]
    OfFit = Callable[[FitMetrics], float | None]

_MOST_VALUES = 4  # charts, in the order of their weight
_SIDES = (("train", "training examples"), ("validation", "validation examples"))


@dataclass(frozen=True, slots=True)
class Gallery:
    """Curves over epochs, and figures per setting, with the colours of the curves and what they stand for."""

    title: str  # of the legend
    colours: tuple[Colour, ...]
    others: int  # lines without a colour of their own
    curves: tuple[Drawing, ...]
    values: tuple[Drawing, ...]


def gallery(report: TrainingInput) -> Gallery:
    """The charts that have something to show."""
    points = report.result.points
    if len(points) == 1:
        names, ordered, title = [name for _, name in _SIDES], False, ""
        curves = _one_point(points[0])
    else:
        coloured = [point for point in points if _index(point, report) is not None]
        names, ordered, title = [_value(point) for point in coloured], _numeric(report), ", ".join(report.plan.swept)
        curves = _many_points(points, report)
    return Gallery(
        title=title,
        colours=tuple(palette(names, ordered=ordered)),
        others=max(0, len(points) - MAX_LINES),
        curves=_drawn((chart.title, draw_epochs(chart)) for chart in curves),
        values=_drawn((chart.title, draw_values(chart)) for chart in _values(report))[:_MOST_VALUES],
    )


def _drawn(found: Iterator[tuple[str, Markup | None]]) -> tuple[Drawing, ...]:
    return tuple(Drawing(title, svg) for title, svg in found if svg is not None)


def _value(point: TrainingPointMetrics) -> str:
    return ", ".join(format_value(value) for value in point.setting.values())


def _numeric(report: TrainingInput) -> bool:
    return not any(isinstance(value, str) for point in report.result.points for value in point.setting.values())


def _index(point: TrainingPointMetrics, report: TrainingInput) -> int | None:
    """The colour of a point's line: the first in the order of the plan; grey after that."""
    number = report.result.points.index(point)
    return number if number < MAX_LINES else None


def _one_point(point: TrainingPointMetrics) -> Iterator[EpochChart]:
    for what, accuracy in (("accuracy", True), ("loss", False)):
        lines = tuple(
            EpochLine(side, getattr(point.curves, f"{side}_{what}"), index) for index, (side, _) in enumerate(_SIDES)
        )
        yield EpochChart(
            key=f"{what}-epochs",
            title=f"{what.capitalize()} over epochs",
            y_label="Right, % of examples" if accuracy else "Loss",
            accuracy=accuracy,
            lines=lines,
        )


def _many_points(points: Sequence[TrainingPointMetrics], report: TrainingInput) -> Iterator[EpochChart]:
    for what, accuracy in (("accuracy", True), ("loss", False)):
        if what == "loss" and "loss" in report.plan.swept:
            continue  # losses of different kinds cannot be compared
        for side, name in reversed(_SIDES):
            yield EpochChart(
                key=f"{side}-{what}-epochs",
                title=f"{name.split()[0].capitalize()} {what} over epochs",
                y_label=f"Right, % of {name}" if accuracy else f"Loss on {name}",
                accuracy=accuracy,
                lines=tuple(
                    EpochLine(_value(point), getattr(point.curves, f"{side}_{what}"), _index(point, report))
                    for point in points
                ),
            )


def _values(report: TrainingInput) -> Iterator[ValueChart]:
    target = f"{100 * report.plan.target_accuracy:g}"
    yield _chart(report, "Test accuracy", "Right, % of test examples", _plain("test_accuracy"), Scale.NINES)
    yield _chart(report, "Generalisation gap", "Points between training and validation", _points("gap"), Scale.AROUND)
    yield _chart(report, "Training throughput", "Examples/s", _plain("samples_per_s"), Scale.FROM_ZERO)
    title = f"Time until {target} % of the validation examples are right"
    yield _chart(report, title, "Seconds of fitting", _plain("seconds_to_target"), Scale.FROM_ZERO)
    yield _chart(report, "Time of a whole fit", "Seconds of fitting", _plain("seconds"), Scale.FROM_ZERO)


def _chart(report: TrainingInput, title: str, y_label: str, read: tuple[OfPoint, OfFit], scale: Scale) -> ValueChart:
    of_point, of_fit = read
    dots = []
    for point in report.result.points:
        mean = of_point(point)
        if mean is not None:
            seeds = tuple(value for fit in point.fits if fit.whole and (value := of_fit(fit)) is not None)
            best = point.point == report.result.recommendation.best_point
            dots.append(ValueDot(_value(point), mean, seeds, best, point.verdict is Verdict.INVALID))
    return ValueChart(
        key=f"{title.split(maxsplit=1)[0].lower()}-{title.rsplit(maxsplit=1)[-1].lower()}-values",
        title=title,
        x_label=", ".join(report.plan.swept),
        y_label=y_label,
        dots=tuple(dots),
        scale=scale,
        joined=_numeric(report) and len(report.plan.swept) == 1,
    )


def _plain(name: str) -> tuple[OfPoint, OfFit]:
    return lambda point: getattr(point, name), lambda fit: getattr(fit, name)


def _points(name: str) -> tuple[OfPoint, OfFit]:
    """Shares of 1 in percentage points."""

    def of_point(point: TrainingPointMetrics) -> Interval | None:
        share: Interval | None = getattr(point, name)
        return None if share is None else share.times(100)

    return of_point, lambda fit: None if (value := getattr(fit, name)) is None else 100 * value
