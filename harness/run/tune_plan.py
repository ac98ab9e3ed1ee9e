"""Makes the plan of a search for the best setting: which knobs are turned, their values, the load levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.plan.arrivals import Closed, Poisson
from harness.plan.knobs import setting_text
from harness.plan.option_text import seconds_text, split_word
from harness.plan.plan import TARGET_START_SECONDS, Plan, Point, TuneSpace, trial_overhead_seconds
from harness.plan.plan_draft import make_plan, model_of
from harness.plan.target_spec import EmbeddedTarget, UrlTarget, find_target, knobs_for
from harness.run.tune_search import FINALS
from harness.search.space import make_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.arrivals import Arrivals
    from harness.plan.knobs import KnobSet, Setting, Value
    from harness.plan.plan_draft import Draft
    from harness.plan.scenario import Scenario
    from harness.plan.slo import KeptBound
    from harness.plan.target_spec import TargetSpec
    from harness.search.space import Space

TOKENS_UNIT = "tokens/s"
QUICK_START_SECONDS = 2.0  # of a server that loads a small model
USERS = (1, 2, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 180, 256)  # load levels: factors of the square root of 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneGoal:
    """What a search raises, the bounds that it keeps beside the SLO, and what chooses the settings."""

    objective: str = "goodput"
    keep: tuple[KeptBound, ...] = ()
    search: str = "model"


def make_tune_plan(draft: Draft, scenario: Scenario, goal: TuneGoal) -> Plan:
    """The plan of a draft, without a trial: its one point is the default at its first load.

    A word of the draft that gives one value sets that knob; any other is turned. The default has what the scenario sets
    of the knobs that are turned. Raises UserError where nothing can be turned, or where the budget is too short.
    """
    if isinstance(draft.spec, UrlTarget):
        raise UserError(f"--target {draft.spec.url}: `tune` restarts the server with other settings; give a recipe")
    knobs = knobs_for(draft.spec, model_of(draft, scenario))
    turned, rest = _turned(knobs, draft.words)
    load = make_plan(_of_load(draft, rest), scenario)
    if load.swept:
        raise UserError(f"{load.swept[0]}: `tune` turns knobs of the target; give one value, or use `sweep`")
    if goal.objective == "tokens_per_s" and load.rate_unit != TOKENS_UNIT:
        raise UserError("--objective tokens_per_s: these responses have no tokens; choose goodput or cost")
    space = make_space(knobs, turned, load.fixed)
    levels = tuple(sorted(_level(point.arrivals) for point in load.points))
    plan = msgspec.structs.replace(
        load,
        name="-".join(("tune", *([] if len(turned) > 3 else turned))),
        points=(Point(number=0, setting=space.setting(0), arrivals=load.points[0].arrivals),),
        trials=(),
        fixed={name: value for name, value in load.fixed.items() if name not in turned},
        left_out=(*load.left_out, *_other_baseline(knobs, load.fixed, space.setting(0))),
        repeats=1,
        budget_seconds=draft.plan.budget_seconds,
        tune=TuneSpace(
            values=turned,
            levels=levels,
            settings=len(space),
            impossible=space.impossible,
            objective=goal.objective,
            keep=goal.keep,
            search=goal.search,
        ),
    )
    _refuse_too_short(plan, _starts_seconds(draft.spec, space))
    return plan


def space_of(plan: Plan) -> Space:
    """The space that the plan's search chooses from."""
    values = plan.tune.values if plan.tune else {}
    default = plan.points[0].setting
    return make_space(knobs_for(find_target(plan.target), plan.model), values, {**plan.fixed, **default})


def _other_baseline(knobs: KnobSet, fixed: Setting, baseline: Setting) -> list[str]:
    """Why the default is not possible, where another setting is the baseline."""
    default = {name: fixed.get(name, knobs[name].default) for name in baseline}
    if default == baseline:
        return []
    conflict = knobs.conflict_in({**fixed, **default})
    return [f"the default ({conflict}); {setting_text(baseline)} takes its place"]


def arrivals_at(plan: Plan, level: int) -> Arrivals:
    """The load at a level of the plan's search."""
    value = plan.tune.levels[level] if plan.tune else 0.0
    first = plan.points[0].arrivals
    if isinstance(first, Closed):
        return msgspec.structs.replace(first, users=int(value))
    return msgspec.structs.replace(first, rate_rps=float(value)) if isinstance(first, Poisson) else first


def _level(arrivals: Arrivals) -> float:
    if isinstance(arrivals, Closed):
        return float(arrivals.users)
    if isinstance(arrivals, Poisson):
        return arrivals.rate_rps
    raise UserError("--arrivals: `tune` takes closed loops, or poisson with rate=A,B,C; leave it out")


def _turned(knobs: KnobSet, words: Sequence[str]) -> tuple[dict[str, tuple[Value, ...]], tuple[str, ...]]:
    """The values of the knobs that are turned, and the other words. Raises UserError where there is none."""
    known = knobs.known_words(words)
    bare = [word for word in known if split_word(word)[1] is None]
    given = {**knobs.parse_sweep(known), **{name: knobs[name].tuned or knobs[name].swept for name in bare}}
    for name in bare:
        if len({*given[name], knobs[name].default}) == 1:
            raise UserError(f"{name}: it has one legal value here; there is nothing to tune")
    turned = {name: values for name, values in given.items() if len(values) > 1 or name in bare}
    rest = tuple(word for word in words if split_word(word)[0] not in turned)
    if not turned:
        turned = {knob.name: knob.tuned for knob in knobs if len(knob.tuned) > 1 and knob.name not in given}
    if not turned:
        several = [knob.name for knob in knobs if len(knob.swept) > 1]
        which = f"name knobs to turn, for example {several[0]}" if several else "choose a target that has some"
        raise UserError(f"{knobs.owner_name}: no knob is left that `tune` turns by itself; {which}")
    return turned, rest


def _of_load(draft: Draft, words: tuple[str, ...]) -> Draft:
    """The draft without the knobs that are turned, and without its budget."""
    from dataclasses import replace

    plan = msgspec.structs.replace(draft.plan, budget_seconds=None, repeats=1)
    return replace(draft, plan=plan, words=words, concurrency=draft.concurrency or USERS, turned=True)


def _starts_seconds(spec: TargetSpec, space: Space) -> float:
    """About what the starts take of the shortest search: of a recipe's server, which may be quick, the first alone."""
    if not isinstance(spec, EmbeddedTarget):
        return QUICK_START_SECONDS
    settings, rounds, _ = FINALS[-1]
    restarts = settings + rounds * (settings - 1) if len(set(space.starts.tolist())) > 1 else 0
    return TARGET_START_SECONDS * (1 + restarts)


def _refuse_too_short(plan: Plan, starts_s: float) -> None:
    """Raise UserError where the budget is too short for the default, one other setting, and the smallest final."""
    (settings, rounds, times), beside_s = FINALS[-1], trial_overhead_seconds(plan)
    final_s = settings * rounds * (times * plan.seconds + beside_s)
    needed_s = starts_s + settings * (plan.seconds + beside_s) + final_s
    if plan.budget_seconds is not None and plan.budget_seconds < needed_s:
        raise UserError(
            f"--budget {seconds_text(plan.budget_seconds)}: the default, one other setting and fresh trials of both "
            f"take about {math.ceil(needed_s)} s; give more, or name fewer knobs"
        )
