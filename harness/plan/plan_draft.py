"""Makes a plan from a draft: it crosses knobs with load levels and puts the trials into a seeded order."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.plan.arrivals import Closed, OpenProcess, arrivals_of, has_field
from harness.plan.knobs import Apply, Knob, KnobSet, Setting, Value, cross
from harness.plan.load_knobs import CHAT_KNOBS, CONCURRENCY, LEVELS, LOAD_KNOBS, MIX, OTHER_WORK, PROTOCOL, RATE
from harness.plan.load_options import chat_of_class
from harness.plan.option_text import names_of, seconds_text, split_word
from harness.plan.plan import (
    FEWEST_REPEATS,
    MODEL,
    TARGET_START_SECONDS,
    Plan,
    Point,
    first_look_seconds,
    order_trials,
    trial_seconds,
)
from harness.plan.request_mix import CHAT, parse_mix
from harness.plan.scenario import Scenario
from harness.plan.slo import Slo, parse_slo
from harness.plan.target_spec import InProcessTarget, UrlTarget, is_model_file, knobs_for, project_targets
from harness.wire.protocol import AUTO
from harness.wire.protocols import chats, find_protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.plan.arrivals import Arrivals, Shape
    from harness.plan.request_mix import RequestClass
    from harness.plan.target_spec import TargetSpec

DEFAULT_SECONDS = 2.0
DEFAULT_PRECISE_SECONDS = 5.0
DEFAULT_WARMUP_SECONDS = 0.5
BUDGET_ROOM = 1.6  # a default budget grows to this many times what one look at each point takes
MINUTE_S = 60.0
DEFAULT_MAX_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan without points, and the knobs and load levels of which its points are made."""

    plan: Plan
    spec: TargetSpec  # the plan's target
    words: tuple[str, ...]  # "batch_size", "concurrency=1,8", ...
    concurrency: tuple[int, ...]  # users of the closed-loop levels, where no knob gives them
    users_given: bool = False  # the user gave `concurrency`; it is not the default
    kind: str = ""  # of arrivals; empty: closed, or poisson where a rate is given
    arrivals: Mapping[str, Any] = field(default_factory=dict)  # fields of the arrivals but their level
    max_seconds: float = DEFAULT_MAX_SECONDS  # the longest that each point is measured, with a precision
    budget_given: bool = False  # the user gave the plan's budget; it is not the default one
    turned: bool = False  # a search turns other knobs, and looks itself which of their values go together


def make_plan(draft: Draft, scenario: Scenario | None = None) -> Plan:
    """The plan of a draft. Raises UserError for an unknown knob, an illegal value, or too many trials."""
    scenario, plan, spec = scenario or Scenario(), draft.plan, draft.spec
    model = model_of(draft, scenario)
    _refuse_knobs_of_others(draft)
    target_knobs = knobs_for(spec, _only_model(draft, model))
    knobs = KnobSet(target_knobs.owner_name, (*with_load_knobs(target_knobs), model_knob(model, spec, draft.words)))
    values = _values(draft, scenario, target_knobs, knobs)
    load_values = {name: values.pop(name) for name in LEVELS if name in values}
    fixed, grid = cross(values)
    loads = _load_levels(draft, load_values, scenario.shape)
    settings, conflicts = (grid, []) if draft.turned else _split(target_knobs, fixed, grid)
    points = tuple(
        Point(number=number, setting=setting, arrivals=arrivals)
        for number, (setting, arrivals) in enumerate(itertools.product(settings, loads))
    )
    classes = _classes(plan, [{**fixed, **point.setting} for point in points], scenario)
    plan = _chatting(plan, classes)
    seconds = _seconds(plan, loads)
    repeats = _repeats(draft, seconds)
    groups = _restart_groups(points, knobs)
    made = msgspec.structs.replace(
        plan,
        name=_name(draft),
        model=model,
        points=points,
        trials=order_trials(groups, repeats, plan.seed),
        fixed=fixed,
        left_out=(*_not_here(target_knobs, draft.words), *conflicts),
        load=msgspec.structs.replace(plan.load, measure_s=seconds),
        repeats=repeats,
        own_requests=scenario.own_requests,
        rate_unit=_rate_unit(plan, scenario),
        in_process=isinstance(spec, InProcessTarget),
        slo=_with_classes(plan.slo, classes),
    )
    _check_chat(made, scenario)
    if made.budget_seconds is None:
        return made
    if made.swept and set(made.swept) <= set(OTHER_WORK):
        return msgspec.structs.replace(made, budget_seconds=None)
    return within_budget(made, tuple(groups), given=draft.budget_given)


def within_budget(plan: Plan, starts: tuple[int, ...], *, given: bool) -> Plan:
    """The plan, which has a budget, without trials.

    `starts`: for each point a number, equal where the target need not be started again. A default budget (not `given`)
    grows where one look at each point would take most of it. Raises UserError where a given one would not do for that.
    """
    planned = msgspec.structs.replace(plan, trials=(), repeats=1, starts=starts)
    budget_s = plan.budget_seconds or 0.0
    needed_s = first_look_seconds(planned)
    if given and needed_s > budget_s:
        raise UserError(
            f"--budget {seconds_text(budget_s)}: a look at each of {len(plan.points)} points takes about "
            f"{math.ceil(needed_s)} s; give more, or sweep fewer values"
        )
    if given or BUDGET_ROOM * needed_s <= budget_s:
        return planned
    return msgspec.structs.replace(planned, budget_seconds=MINUTE_S * math.ceil(BUDGET_ROOM * needed_s / MINUTE_S))


def _values(draft: Draft, scenario: Scenario, target_knobs: KnobSet, knobs: KnobSet) -> dict[str, tuple[Value, ...]]:
    """Every value of every knob that the user or the scenario sets."""
    values = {
        **target_knobs.parse_sweep(target_knobs.known_words(scenario.knobs)),
        **knobs.parse_sweep(draft.words),
    }
    values |= scenario.swept_mixes(values.pop(MIX, None), bare=MIX in draft.words)
    values = {**scenario.explain_method(target_knobs, values), **values}
    for name, value in file_setting(draft.spec, target_knobs).items():
        values.setdefault(name, (value,))
    _check_protocols(draft, scenario, values)
    return values


def file_setting(spec: TargetSpec, knobs: KnobSet) -> Setting:
    """The defaults of `knobs`, those of a model's file, that are others than the target's own."""
    own = spec.knobs.defaults()
    return {knob.name: knob.default for knob in knobs if knob.default != own[knob.name]}


def _only_model(draft: Draft, model: str) -> str:
    """The one model of the draft, which its words may name; empty where they name several."""
    named = [word.partition("=")[2] for word in draft.words if split_word(word)[0] == MODEL]
    return model if not named else named[0] if "," not in named[0] else ""


def model_of(draft: Draft, scenario: Scenario) -> str:
    """The model that the user named, or the scenario's; the target's first where it does not have that one."""
    if draft.plan.model or not draft.spec.models or scenario.model in draft.spec.models:
        return draft.plan.model or scenario.model
    return draft.spec.models[0]


def _seconds(plan: Plan, loads: Sequence[Arrivals]) -> float:
    """The measured time: the user's, or what the arrivals take by themselves, or the default."""
    if plan.load.measure_s is not None:
        return plan.load.measure_s
    lengths_s = [length for load in loads if (length := load.length_s) is not None]
    if not lengths_s:
        return DEFAULT_SECONDS if plan.precision is None else DEFAULT_PRECISE_SECONDS
    seconds = max(lengths_s) - plan.load.warmup_s
    if seconds <= 0:
        raise UserError(
            f"--warmup {seconds_text(plan.load.warmup_s)}: nothing is left to measure of {max(lengths_s):g} s"
        )
    return seconds


def _classes(plan: Plan, settings: Iterable[Setting], scenario: Scenario) -> dict[str, RequestClass]:
    """The request classes that any point has, by name. Raises UserError."""
    mixes = dict.fromkeys(str(setting.get(MIX) or plan.load.mix or scenario.own_mix) for setting in settings)
    weights = [parse_mix(mix, scenario.classes) for mix in mixes]
    for names in weights:
        others = [name for name in names if scenario.classes[name].verb != CHAT]
        if 0 < len(others) < len(names):
            raise UserError(f"mix: class {others[0]} does not chat, and others of it do; measure them in two runs")
    return {name: scenario.classes[name] for names in weights for name in names}


def _chatting(plan: Plan, classes: Mapping[str, RequestClass]) -> Plan:
    """The plan with its classes that chat, for which the server is asked, and whether prompts have exact lengths.

    Raises UserError.
    """
    chosen = {name: each for name, each in classes.items() if each.verb == CHAT}
    if not chosen:
        return plan
    counts = any(chat_of_class(each, plan.load.chat).needs_vocabulary for each in chosen.values())
    chat = msgspec.structs.replace(plan.load.chat, counts_tokens=counts and not plan.load.chat.needs_vocabulary)
    return msgspec.structs.replace(plan, load=msgspec.structs.replace(plan.load, chat=chat), chat_classes=chosen)


def _with_classes(slo: Slo | None, classes: Mapping[str, RequestClass]) -> Slo | None:
    """The plan's objective; where classes have their own, that of each class. Raises UserError."""
    own = {name: parse_slo(each.slo).bounds for name, each in classes.items() if each.slo}
    if slo is None or not own:
        return slo
    if len(classes) == 1:
        return Slo(bounds=next(iter(own.values())))
    return Slo(bounds=slo.bounds, of_classes={name: own.get(name, slo.bounds) for name in classes})


def _check_chat(plan: Plan, scenario: Scenario) -> None:
    """Raise UserError where a knob of language models is set for another load, or without what it needs."""
    for point in plan.points:
        knobs = [name for name in CHAT_KNOBS if name in plan.setting_of(point)]
        if knobs and not scenario.chats:
            raise UserError(f"{knobs[0]}: it is for language models; add --scenario agent, or leave it out")
        if plan.load.chat.tool_pause_ms and isinstance(point.arrivals, OpenProcess):
            raise UserError("--tool-pause: in an open loop requests are due at their own times; give --concurrency")
        plan.load_at(point)


def _rate_unit(plan: Plan, scenario: Scenario) -> str:
    if not scenario.chats:
        return "req/s"
    name = plan.load.protocol
    return "results/s" if chats(name) and find_protocol(name).gives_results else "tokens/s"


def _repeats(draft: Draft, seconds: float) -> int:
    """The number of trials of each point; with a precision: at most."""
    if draft.plan.precision is None:
        return draft.plan.repeats
    repeats = int(draft.max_seconds / seconds + 1e-9)
    if repeats < FEWEST_REPEATS:
        raise UserError(
            f"--max-seconds {seconds_text(draft.max_seconds)}: a precision takes {FEWEST_REPEATS} repeats or more of "
            f"--seconds {seconds_text(seconds)}; give {FEWEST_REPEATS * seconds:g}s or more"
        )
    return repeats


def _refuse_knobs_of_others(draft: Draft) -> None:
    """Raise UserError for a knob that only other targets have."""
    own = {MODEL, *(knob.name for knob in with_load_knobs(draft.spec.knobs))}
    for name in names_of(draft.words):
        owners = [other.name for other in project_targets().values() if any(knob.name == name for knob in other.knobs)]
        if name not in own and owners:
            raise UserError(f"{name}: {draft.spec.name} has no such knob; --target {' or '.join(owners)} has it")


def _split(knobs: KnobSet, fixed: Setting, grid: list[Setting]) -> tuple[list[Setting], list[str]]:
    """The settings of the grid that are possible, and why the others are not. Raises UserError where none is."""
    conflicts = [knobs.conflict_in({**fixed, **setting}) for setting in grid]
    possible = [setting for setting, conflict in zip(grid, conflicts, strict=True) if conflict is None]
    reasons = [conflict for conflict in dict.fromkeys(conflicts) if conflict is not None]
    if not possible:
        raise UserError(reasons[0])
    return possible, reasons


def _not_here(knobs: KnobSet, words: Sequence[str]) -> list[str]:
    """The values that this machine lacks, of knobs swept by their bare names, and how to get them."""
    bare = [knob for knob in knobs if knob.name in words]
    return [f"{knob.name}={value}: {remedy}" for knob in bare for value, remedy in knob.unavailable]


def model_knob(model: str, spec: TargetSpec | None, words: Sequence[str] = ()) -> Knob:
    """The knob for the model that is served; a plain sweep compares the models of the same task.

    `words` may name files of models, which a target that takes files serves too.
    """
    named = [value for word in words if word.startswith(f"{MODEL}=") for value in word.partition("=")[2].split(",")]
    files = dict.fromkeys(each for each in (model, *named) if is_model_file(each) and spec and spec.serves(each))
    return Knob(
        name=MODEL,
        doc="The model that is served; a plain sweep takes all that were trained on the same data.",
        default=model,
        swept=spec.rivals(model) if spec and model in spec.models else (model,),
        choices=(*spec.models, *files) if spec and spec.models else (),
        apply=Apply.LIVE if spec is None or isinstance(spec, UrlTarget) else Apply.RESTART,
    )


def with_load_knobs(knobs: KnobSet) -> KnobSet:
    """The knobs of a target together with those of the load."""
    return KnobSet(knobs.owner_name, (*knobs, *LOAD_KNOBS))


def _check_protocols(draft: Draft, scenario: Scenario, values: dict[str, tuple[Value, ...]]) -> None:
    """Raise UserError where the target does not speak a protocol of the load, or it does not carry the scenario."""
    spec = draft.spec
    protocols = values.get(PROTOCOL, (draft.plan.load.protocol,))
    if protocols == (AUTO,):
        return
    if isinstance(spec, InProcessTarget):
        raise UserError(f"protocol: {spec.name} lives in the load process, where nothing is sent; leave it out")
    for protocol in protocols:
        if not spec.speaks(str(protocol)):
            raise UserError(f"protocol: {spec.name} does not speak {protocol}; leave it out, or take --target batched")
        if chats(str(protocol)) and not scenario.chats and not scenario.own_requests:
            raise UserError(f"protocol: {protocol} carries conversations; add --scenario agent")
        if scenario.chats and not chats(str(protocol)):
            raise UserError(f"protocol: {protocol} carries no conversations, as the scenario has them; leave it out")


def _restart_groups(points: Sequence[Point], knobs: KnobSet) -> list[int]:
    """One number per point, equal for points that share one start of the target."""
    restarting = {MODEL, *(knob.name for knob in knobs if knob.apply is Apply.RESTART)}
    groups: dict[tuple[Value, ...], int] = {}
    return [
        groups.setdefault(tuple(value for name, value in point.setting.items() if name in restarting), len(groups))
        for point in points
    ]


def restart_count(plan: Plan, knobs: KnobSet) -> int:
    """How often the target is restarted between trials, in the plan's order."""
    groups = _restart_groups([plan.point(trial.point) for trial in plan.trials], with_load_knobs(knobs))
    return sum(before != after for before, after in itertools.pairwise(groups))


def estimated_seconds(plan: Plan, knobs: KnobSet | None) -> float:
    """How long a plan will take, target starts included; `knobs` None: the harness does not start the target."""
    if plan.budget_seconds is not None:
        return plan.budget_seconds
    starts = 1 + restart_count(plan, knobs) if knobs else 0
    return len(plan.trials) * trial_seconds(plan) + starts * TARGET_START_SECONDS


def _name(draft: Draft) -> str:
    names = names_of(draft.words)
    if draft.plan.capacity:
        return "-".join(("capacity", *names))
    return "-".join(("sweep", *names)) if names else "run"


def _load_levels(draft: Draft, load_values: dict[str, tuple[Value, ...]], shape: Shape | None) -> list[Arrivals]:
    """The arrivals of each load level: the levels of a closed loop are users, those of an open loop rates.

    Where the user asks for none, the scenario's own load shape is the only level.
    """
    if shape is not None and not (draft.kind or load_values or draft.users_given):
        if shape.length_s is None and draft.plan.load.measure_s is None:
            text = (
                f"--seconds: the load shape in {draft.plan.scenario} does not say when it ends; say how long to measure"
            )
            raise UserError(text)
        return [shape]
    kind = draft.kind or ("poisson" if RATE in load_values else "closed")
    if kind == Closed.__struct_config__.tag:
        if RATE in load_values:
            raise UserError("rate: a closed loop has no rate; leave out --arrivals closed, or sweep concurrency")
        users = load_values.get(CONCURRENCY, draft.concurrency)
        return [arrivals_of(kind, {**draft.arrivals, "users": int(count)}) for count in users]
    if CONCURRENCY in load_values:
        raise UserError(f"concurrency: open-loop arrivals ({kind}) have no users; sweep rate, or use --arrivals closed")
    if RATE in load_values:
        if not has_field(kind, "rate_rps"):
            raise UserError(f"rate: the arrivals `{kind}` have no rate of their own; leave rate out")
        return [arrivals_of(kind, {**draft.arrivals, "rate_rps": float(rate)}) for rate in load_values[RATE]]
    return [arrivals_of(kind, draft.arrivals)]
