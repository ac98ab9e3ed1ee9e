"""The page of a training run as data: every number rounded, every unit chosen, every text in its order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.plan.knobs import format_value
from reports import units
from reports.labels import VERDICT_MEANING, setting_label, verdict_counts
from reports.training.texts import fit_words, label, share, shares
from reports.views.page_view import Figure, instant, model_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.training.metrics import TrainingPointMetrics
    from reports.report_input import TrainingInput


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """Everything a page says beside its charts, tables and findings."""

    name: str
    subtitle: str
    sentence: str
    verdict: str
    verdict_words: str
    missing: tuple[str, ...]
    headline: tuple[Figure, ...]
    headline_of: str
    intervals: str
    model: tuple[tuple[str, str], ...]
    method: tuple[tuple[str, str], ...]


def page(report: TrainingInput) -> TrainingPage:
    """The view of a run."""
    plan, result = report.plan, report.result
    best = next((point for point in result.points if point.point == result.recommendation.best_point), None)
    if best is None and len(result.points) == 1:
        best = result.points[0]
    return TrainingPage(
        name=plan.name,
        subtitle=", ".join(part for part in ("training", plan.model, instant(report.started_at)) if part),
        sentence=result.recommendation.sentence,
        verdict=result.verdict.value,
        verdict_words=_verdict_words(report),
        missing=result.missing,
        headline=tuple(_headline(best, report)) if best else (),
        headline_of=label(best) if best else "",
        intervals=_intervals(best),
        model=tuple(model_facts(result.model)),
        method=tuple(_method(report)),
    )


def _verdict_words(report: TrainingInput) -> str:
    points, verdict = report.result.points, report.result.verdict
    if len({point.verdict for point in points}) > 1:
        return f"{verdict_counts(points)}; the run\u2019s verdict is that of its answer"
    return f"{VERDICT_MEANING[verdict]}; {verdict_counts(points)}"


def _intervals(best: TrainingPointMetrics | None) -> str:
    if best is None:
        return ""
    if best.seeds > 2:
        return f"ranges are 95 % intervals over {best.seeds} seeds"
    return "the range is what chance allows with so many test examples (95 %)"


def _headline(point: TrainingPointMetrics, report: TrainingInput) -> Iterator[Figure]:
    value, interval = shares(point.test_accuracy)
    sampling = shares(point.test_sampling)[1]
    if interval and sampling:
        sampling = f"chance in so many test examples: {sampling}"
    yield Figure("Test accuracy", value, "%", tuple(note for note in (interval, sampling) if note))
    yield _of("Test loss", units.estimate(point.test_loss), "")
    value, interval = shares(point.gap)
    yield Figure("Generalisation gap", value, "points", tuple(note for note in (interval, fit_words(point)) if note))
    gain = report.result.recommendation.gain
    if gain is not None:
        sign = "+" if gain.value > 0 else ""
        baseline = next(p for p in report.result.points if p.point == report.result.recommendation.baseline_point)
        value, interval = shares(gain)
        notes = tuple(note for note in (interval, f"test accuracy over {label(baseline)}") if note)
        yield Figure("Gain", f"{sign}{value}", "points", notes)
    yield _of("Training throughput", units.estimate(point.samples_per_s), "examples/s")
    target = share(report.plan.target_accuracy).removesuffix(".0")
    if point.seconds_to_target is not None:
        yield _of(f"Until {target}{units.THIN}% right", units.estimate(point.seconds_to_target), "s")
    elif point.seeds:
        reached = f"{point.reached_target} of {point.seeds} seed{'s' if point.seeds > 1 else ''} got there"
        yield Figure(f"Until {target}{units.THIN}% right", units.ABSENT, "", (reached,))
    if point.usage.cpu_target_cores is not None:
        yield Figure("CPU of the trainer", units.number(point.usage.cpu_target_cores, 2), "cores")
    if point.usage.gpu_utilization_percent is not None:
        yield Figure("GPU use", units.number(point.usage.gpu_utilization_percent, 2), "%")


def _of(name: str, texts: tuple[str, str], unit: str) -> Figure:
    value, interval = texts
    return Figure(name, value, "" if value == units.ABSENT else unit, (interval,) if interval else ())


def _method(report: TrainingInput) -> Iterator[tuple[str, str]]:
    plan, result = report.plan, report.result
    yield "Trainer", f"{plan.trainer}, a process of its own for every fit"
    swept = (
        f"{name} = {', '.join(dict.fromkeys(format_value(point.setting[name]) for point in plan.points))}"
        for name in plan.swept
    )
    yield "Swept", "; ".join(swept) or "nothing: one setting"
    if plan.fixed:
        yield "Set", setting_label(plan.fixed)
    unset = {name: value for name, value in result.setting.items() if name not in (*plan.swept, *plan.fixed)}
    if unset:
        yield "Left as it is", setting_label(unset)
    seeds = f"{plan.seed}" if plan.seeds == 1 else f"{plan.seed} to {plan.seed + plan.seeds - 1}"
    yield "Seeds", f"{seeds}, the same for every point; {len(plan.trials)} fits in shuffled blocks"
    if result.validation_count:
        kept_out = f"{units.count(result.validation_count)} training examples kept out of every fit"
        yield "Validation", f"{kept_out} and judged after every epoch; the recommended value is chosen by them"
    yield "Test", "other examples still, judged once, after the last epoch; they have no part in the choice"
    yield "Judged", "without dropout, noise and the L2 term, on both sides of the split alike"
    yield "Target accuracy", f"{100 * plan.target_accuracy:g}{units.THIN}% of the validation examples"
    if result.devices:
        yield "Devices", ", ".join(result.devices)
    yield "Timed", "fitting alone, judging excluded; throughput without the first epoch, which compiles"
