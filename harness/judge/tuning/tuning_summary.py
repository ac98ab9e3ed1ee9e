"""The summary of a search for the best setting: path, effects, Pareto front, failures, and the command to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.phrases import level_text
from harness.judge.tuning.effects import knob_effects
from harness.judge.tuning.observations import failure_of, keeps, objective_of, observation_of
from harness.judge.tuning.tuning_result import FailedSetting, TuneStep, Tuning
from harness.plan.arrivals import Closed
from harness.plan.knobs import format_value
from harness.plan.target_spec import RecipeTarget, find_target, knobs_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.arrivals import Arrivals
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan
    from harness.search.observation import Observation

MADE_BY_HARNESS = ("port", "port2", "port3", "model_file", "python", "recipe_dir", "cores")


def tuning_summary(plan: Plan, points: Sequence[PointMetrics], best_point: int | None) -> Tuning | None:
    """What the search has found; None where the run was none."""
    if plan.tune is None:
        return None
    by_number = {point.point: point for point in points}
    settings = _settings(plan)
    best = None if best_point is None else plan.point(best_point).setting
    leader = best_point if best_point is not None else _leader(plan, points)
    return Tuning(
        objective=plan.tune.objective,
        settings=plan.tune.settings,
        impossible=plan.tune.impossible,
        tried=len({_key(plan.point(trial.point).setting) for trial in plan.trials if trial.point in by_number}),
        default_point=_best_of_default(plan, points),
        words="" if best is None else _words(plan, best),
        server_flags="" if best is None else _server_flags(plan, best),
        steps=tuple(_steps(plan, by_number)),
        effects=() if leader is None else knob_effects(
            plan.tune, settings, list(_observations(plan, by_number, settings)),
            (settings.index(plan.point(leader).setting), _level(plan, plan.point(leader).arrivals)),
            closed=isinstance(plan.points[0].arrivals, Closed),
        ),
        failed=tuple(_failed(plan, points)),
        front=tuple(_front(plan, points)),
    )  # fmt: skip


def changes_of(plan: Plan, setting: Setting) -> Setting:
    """The knobs in which a setting differs from the default."""
    default = plan.points[0].setting
    return {name: value for name, value in setting.items() if value != default[name]}


def _settings(plan: Plan) -> list[Setting]:
    """The settings of the plan's points, each once; the default comes first."""
    return list({_key(point.setting): point.setting for point in plan.points}.values())


def _key(setting: Setting) -> tuple[object, ...]:
    return tuple(setting.items())


def _level(plan: Plan, arrivals: Arrivals) -> int:
    value = arrivals.users if isinstance(arrivals, Closed) else getattr(arrivals, "rate_rps", 0.0)
    return plan.tune.levels.index(float(value)) if plan.tune else 0


def _trials(plan: Plan, by_number: Mapping[int, PointMetrics]) -> Iterator[tuple[int, PointMetrics, TrialMetrics]]:
    """The trials that have begun, in their order, with their points."""
    measured = {trial.trial: (point, trial) for point in by_number.values() for trial in point.trials}
    for trial in plan.trials:
        if trial.number in measured:
            yield trial.number, *measured[trial.number]


def _observations(
    plan: Plan, by_number: Mapping[int, PointMetrics], settings: Sequence[Setting]
) -> Iterator[Observation]:
    places = {_key(setting): place for place, setting in enumerate(settings)}
    for _, metrics, trial in _trials(plan, by_number):
        point = plan.point(metrics.point)
        place = places[_key(point.setting)], _level(plan, point.arrivals)
        yield observation_of(plan, metrics, trial, place)


def _steps(plan: Plan, by_number: Mapping[int, PointMetrics]) -> Iterator[TuneStep]:
    best: float | None = None
    for number, metrics, trial in _trials(plan, by_number):
        point = plan.point(metrics.point)
        figure = objective_of(trial, plan).value if trial.seconds else None
        kept = keeps(plan, metrics)
        if figure and kept:
            best = max(best or 0.0, figure)
        yield TuneStep(
            trial=number,
            point=point.number,
            changes=changes_of(plan, point.setting),
            load=level_text(point),
            why=plan.trials[number].why,
            figure=figure or None,
            kept=kept,
            failure=failure_of(trial),
            best=best,
        )


def _failed(plan: Plan, points: Sequence[PointMetrics]) -> Iterator[FailedSetting]:
    seen: set[tuple[object, ...]] = set()
    for point in points:
        reason = next(filter(None, map(failure_of, point.trials)), None)
        if reason is not None and _key(point.setting) not in seen:
            seen.add(_key(point.setting))
            yield FailedSetting(changes=changes_of(plan, point.setting), reason=reason)


def _leader(plan: Plan, points: Sequence[PointMetrics]) -> int | None:
    """The point that is ahead, of those that keep the limit or of all where none does."""
    measured = [point for point in points if point.counts.ok]
    kept = [point for point in measured if keeps(plan, point)]
    best = max(kept or measured, key=lambda point: objective_of(point, plan).value, default=None)
    return None if best is None else best.point


def _best_of_default(plan: Plan, points: Sequence[PointMetrics]) -> int | None:
    own = [point for point in points if point.setting == plan.points[0].setting]
    return _leader(plan, own)


def _front(plan: Plan, points: Sequence[PointMetrics]) -> Iterator[int]:
    """The points that no other beats in p99 and in the objective, the fastest response first."""
    known = []
    for point in points:
        tail = point.response.at(0.99)
        if tail is not None and tail.value_ms is not None and point.counts.ok:
            known.append((tail.value_ms, -objective_of(point, plan).value, point.point))
    least = 0.0
    for _, negative, number in sorted(known):
        if negative < least:
            least = negative
            yield number


def _words(plan: Plan, setting: Setting) -> str:
    """`batch_size=64`: what starts the target so. The default of the search may not be the target's own."""
    own = knobs_for(find_target(plan.target), plan.model).defaults()
    needed = {**plan.fixed, **{name: value for name, value in setting.items() if value != own.get(name)}}
    return " ".join(f"{name}={format_value(value)}" for name, value in needed.items()) or "the default"


def _server_flags(plan: Plan, setting: Setting) -> str:
    """The environment and the command by which the recipe starts its server so; empty where there is no recipe."""
    spec = find_target(plan.target)
    if not isinstance(spec, RecipeTarget):
        return ""
    from harness.plan.server_recipe import filled

    known = {name: f"{{{name}}}" for name in MADE_BY_HARNESS}
    values = {**known, "model": plan.model, **spec.knobs.defaults(), **plan.fixed, **setting}
    variables = [f"{name}={filled(text, values)}" for name, text in spec.recipe.env.items()]
    words = [word for word in (filled(each, values) for each in spec.recipe.command) if word]
    return " ".join([*variables, *words])
