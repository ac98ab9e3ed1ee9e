"""A search for the best setting, for the page and the terminal: finalists, effects, path, front, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.tuning.observations import COST, TOKENS, keeps, objective_of
from harness.plan.knobs import format_value, setting_text
from harness.plan.plan import TrialKind
from reports import units
from reports.labels import load_label
from reports.views.points_table import SLO_WORDS, Cell, Table, percentile_cell, verdict_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, Quantile
    from harness.judge.run_result import RunResult
    from harness.judge.tuning.tuning_result import KnobEffect, TuneStep, Tuning
    from harness.plan.plan import Plan
    from reports.report_input import ReportInput

    Timed = Mapping[str, Callable[[PointMetrics], Quantile | None]]  # percentiles by the titles of their columns

DEFAULT = "default"
TIMES = "\u00d7"
MATTERS = {True: "matters", False: "does not matter", None: "not known"}
MAX_STEPS = 200
LIMITS = "Limits"
_RATE_TITLES = {TOKENS: "Tokens /s", COST: "Responses per core second"}  # by the objective of the search
_OF_RESPONSES: Timed = {
    "p50 ms": lambda point: point.response.at(0.5),
    "p99 ms": lambda point: point.response.at(0.99),
}
_OF_STREAMS: Timed = {
    "TTFT p90 ms": lambda point: point.stream.ttft.at(0.9) if point.stream else None,
    "ITL p99 ms": lambda point: point.stream.itl.at(0.99) if point.stream else None,
}


def changes_text(plan: Plan, point: PointMetrics) -> str:
    """`batch_size=64, engine=litert`: what differs from the default."""
    default = plan.points[0].setting
    changed = {name: value for name, value in point.setting.items() if value != default.get(name)}
    return setting_text(changed) or DEFAULT


def finalists(report: ReportInput) -> list[PointMetrics]:
    """The points that had fresh trials; where none had, the default and those on the front."""
    tuning = report.result.tuning
    fresh = {trial.point for trial in report.plan.trials if trial.kind is TrialKind.CONFIRM}
    shown = fresh or {*(tuning.front if tuning else ()), 0}
    return [point for point in report.result.points if point.point in shown]


def finalists_table(report: ReportInput) -> Table:
    """The points that had fresh trials, over all of their trials."""
    points = finalists(report)
    best = report.result.recommendation.best_point
    numbers = [point.point for point in points]
    timed = _OF_STREAMS if any(point.stream for point in points) else _OF_RESPONSES
    columns = ("Setting", "Load", "Verdict", _rate_title(report.plan), *timed, LIMITS, "Trials")
    rows = []
    for point in points:
        name = changes_text(report.plan, point)
        rows.append((
            Cell(name, key=name, kind="point"),
            Cell(load_label(point), key=units.machine_number(point.concurrency or point.rate_target_rps), kind="point"),
            verdict_cell(point.verdict, ()),
            _rate_cell(report.plan, point),
            *(percentile_cell(read(point)) for read in timed.values()),
            _limits_cell(report.plan, keeps(report.plan, point)),
            Cell(units.count(point.repeats), key=str(point.repeats)),
        ))  # fmt: skip
    return Table(columns, tuple(rows), numbers.index(best) if best in numbers else None, 3)


def _rate_title(plan: Plan) -> str:
    """What the figures of `_rate_cell` count."""
    return _RATE_TITLES.get(plan.tune.objective if plan.tune else "", "Throughput /s")


def _rate_cell(plan: Plan, point: PointMetrics) -> Cell:
    figure = ranked_by(plan, point)
    return Cell(*units.estimate(figure), key=units.machine_number(figure.value if figure else None))


def ranked_by(plan: Plan, point: PointMetrics) -> Interval | None:
    """The figure by which a search ranks the point, in its `unit_of(plan)`; None where it is not known."""
    figure = objective_of(point, plan)
    return figure if figure.value else None


def _limits_cell(plan: Plan, kept: bool | None) -> Cell:
    """Whether the SLO and the other bounds are kept; a dash where there are none."""
    words = SLO_WORDS[kept] if plan.slo or (plan.tune and plan.tune.keep) else units.ABSENT
    return Cell(words, key=words, kind="text")


def effects_table(tuning: Tuning) -> Table | None:
    """A row for each value of each knob; None where too little was measured."""
    if not tuning.effects:
        return None
    rows = [row for effect in tuning.effects for row in _effect_rows(effect)]
    columns = ("Knob", "Value", f"{TIMES} the best setting", "Settings tried", "Effect")
    return Table(columns, tuple(rows), None, 1)


def _effect_rows(effect: KnobEffect) -> Iterator[tuple[Cell, ...]]:
    words = MATTERS[effect.matters] + ("; with others" if effect.interacts else "")
    for each in effect.values:
        value, interval = units.estimate(each.ratio, 2)
        share = Cell("it has this" if each.best else f"{value}{TIMES}", "" if each.best else interval,
                     key=units.machine_number(each.ratio.value))  # fmt: skip
        yield (
            Cell(effect.name, key=effect.name, kind="point"),
            Cell(format_value(each.value), key=format_value(each.value)),
            share,
            Cell(units.count(each.settings), key=str(each.settings), muted=not each.settings),
            Cell(words, key=words),
        )


def effects_words(tuning: Tuning) -> str:
    """`Matter: engine, batch_size. Do not matter: dispatch. Not known: ...`."""
    parts = []
    for matters, words in ((True, "Matter"), (False, "Do not matter"), (None, "Not known")):
        names = [effect.name for effect in tuning.effects if effect.matters is matters]
        if names:
            parts.append(f"{words}: {', '.join(names)}.")
    together = [effect.name for effect in tuning.effects if effect.interacts]
    if together:
        parts.append(f"The effect depends on other knobs: {', '.join(together)}.")
    return " ".join(parts)


def path_table(plan: Plan, tuning: Tuning) -> Table:
    """Every trial in its order."""
    columns = ("Trial", "Setting", "Load", "Why", "Figure /s", LIMITS, "Best so far /s")
    rows = tuple(tuple(_step_cells(plan, number, step)) for number, step in enumerate(tuning.steps[:MAX_STEPS], 1))
    return Table(columns, rows, None, 1)


def _step_cells(plan: Plan, number: int, step: TuneStep) -> Iterator[Cell]:
    name = setting_text(step.changes) or DEFAULT
    yield Cell(str(number), key=str(number), kind="point")
    yield Cell(name, key=name, kind="point")
    yield Cell(step.load, key=step.load)
    yield Cell(step.why, key=step.why)
    if step.failure is not None:
        yield Cell("failed", step.failure, key="0", muted=True)
    else:
        yield Cell(units.number(step.figure), key=units.machine_number(step.figure))
    yield _limits_cell(plan, step.kept)
    yield Cell(units.number(step.best), key=units.machine_number(step.best))


def front_table(report: ReportInput, tuning: Tuning) -> Table | None:
    """The points that no other beats in p99 and throughput at once; None where there are fewer than two."""
    by_number = {point.point: point for point in report.result.points}
    points = [by_number[number] for number in tuning.front if number in by_number]
    if len(points) < 2:
        return None
    measured = [name for name, read in _ALSO.items() if any(read(point) is not None for point in points)]
    rows = tuple(tuple(_front_cells(report.plan, point, measured)) for point in points)
    best = report.result.recommendation.best_point
    place = [point.point for point in points].index(best) if best in tuning.front else None
    return Table(("Setting", "Load", "p99 ms", _rate_title(report.plan), *measured), rows, place, 2)


def _accuracy_percent(point: PointMetrics) -> float | None:
    return None if point.accuracy is None else 100 * point.accuracy.interval.value


def _cpu_cores(point: PointMetrics) -> float | None:
    return point.usage.cpu_target_cores


_ALSO = {"Accuracy %": _accuracy_percent, "CPU cores": _cpu_cores}


def _front_cells(plan: Plan, point: PointMetrics, measured: list[str]) -> Iterator[Cell]:
    name = changes_text(plan, point)
    yield Cell(name, key=name, kind="point")
    yield Cell(load_label(point), key=units.machine_number(point.concurrency or point.rate_target_rps), kind="point")
    yield percentile_cell(point.response.at(0.99))
    yield _rate_cell(plan, point)
    for title in measured:
        value = _ALSO[title](point)
        yield Cell(units.number(value), key=units.machine_number(value))


def tuning_lines(report: ReportInput) -> Iterator[str]:
    """What the terminal and summary.md say beside the finalists: words to type, effects, failures."""
    tuning = report.result.tuning
    if tuning is None:
        return
    if tuning.words:
        yield f"set: {tuning.words}"
    if tuning.server_flags:
        yield f"started by: {tuning.server_flags}"
    if words := effects_words(tuning):
        yield words
    for each in tuning.failed[:5]:
        yield f"could not be served: {setting_text(each.changes) or DEFAULT}: {each.reason}"
    if len(tuning.failed) > 5:
        yield f"could not be served: {len(tuning.failed) - 5} more"


def tuning_view(report: ReportInput) -> dict[str, object] | None:
    """All that the page shows of a search; None where the run was none."""
    tuning = report.result.tuning
    if tuning is None:
        return None
    failed = [(setting_text(each.changes) or DEFAULT, each.reason) for each in tuning.failed]
    return {
        "words": tuning.words,
        "server_flags": tuning.server_flags,
        "size": _size(report.result),
        "confirmed": any(trial.kind is TrialKind.CONFIRM for trial in report.plan.trials),
        "finalists": finalists_table(report),
        "effects": effects_table(tuning),
        "effects_words": effects_words(tuning),
        "front": front_table(report, tuning),
        "path": path_table(report.plan, tuning),
        "failed": failed,
    }


def _size(result: RunResult) -> str:
    tuning = result.tuning
    if tuning is None:
        return ""
    text = f"{tuning.tried} of {units.several(tuning.settings, 'possible setting')} were tried"
    return text + (f"; {tuning.impossible} more exclude themselves" if tuning.impossible else "")
