"""From what a user asked for to a plan: knobs and load levels crossed, ordered, seeded."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.judge.answers.precision import FEWEST_REPEATS
from harness.plan.arrivals import Closed, Constant, Gamma, Poisson, Replay, Stages, length_s, users_of
from harness.plan.budget import TARGET_START_SECONDS, trial_overhead_seconds, within_budget
from harness.plan.knobs import Apply, Knob, KnobSet, Setting, Value
from harness.plan.load_knobs import LOAD_KNOBS
from harness.plan.mixing import explaining, mixes
from harness.plan.plan import MIX, MODEL, PROTOCOL, Plan, Point, order_trials
from harness.plan.scenario import Scenario
from harness.plan.target_spec import InProcessTarget, RecipeTarget, known_targets
from harness.wire.protocols import AUTO, GRPC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.plan.arrivals import Arrivals, Stage
    from harness.plan.slo import Slo
    from harness.plan.target_spec import TargetSpec

MAX_TRIALS = 10_000
DEFAULT_SECONDS = 2.0
DEFAULT_PRECISE_SECONDS = 5.0
DEFAULT_WARMUP_SECONDS = 0.5
LEVELS = ("concurrency", "rate")  # load knobs that make a load level; any other is part of a point's setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalChoice:
    """How requests are to come, without the load level."""

    kind: str | None = None  # None: closed, or poisson where a rate is swept
    cv: float = 2.0
    think_time_s: float = 0.0
    stages: tuple[Stage, ...] = ()  # of a rate or of users
    trace: str | None = None
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for, as typed on the command line."""

    words: Sequence[str]  # "batch_size", "concurrency=1,8", ...
    target: str
    spec: TargetSpec | None  # None for a URL
    scenario: str
    model: str  # empty: the scenario's own
    concurrency: tuple[int, ...]
    arrivals: ArrivalChoice = field(default_factory=ArrivalChoice)
    chat: dict[str, str] = field(default_factory=dict)
    protocol: str = "auto"
    check: str = "all"
    seconds: float | None = 2.0  # None: as long as the arrivals last by themselves, else DEFAULT_SECONDS
    warmup_seconds: float = 0.5
    timeout_seconds: float = 10.0
    connect_timeout_seconds: float | None = None
    first_byte_timeout_seconds: float | None = None
    repeats: int = 2
    precision: float | None = None
    max_seconds: float = 60.0  # of each point, with a precision
    budget_seconds: float | None = None  # for everything, in place of repeats
    budget_given: bool = False
    slo: Slo | None = None
    capacity: bool = False  # look for each setting's capacity; the load levels are only what it begins with
    isolate: bool = True
    load_processes: int = 1
    remote_workers: int = 0
    bind: str = "127.0.0.1:5557"
    max_in_flight: int = 1024
    reference: str = ""
    payloads: str = ""
    item_shape: tuple[int, ...] = ()
    metrics: str = ""
    seed: int = 0


def make_plan(request: Request, scenario: Scenario | None = None) -> Plan:
    """The plan of a request. Raises UserError for an unknown knob, an illegal value, or too many trials."""
    scenario = scenario or Scenario()
    model = model_of(request, scenario)
    if request.spec is not None:
        _refuse_knobs_of_others(request.words, request.spec)
    target_knobs = request.spec.knobs if request.spec else KnobSet(f"a target given by URL ({request.target})", ())
    knobs = KnobSet(target_knobs.owner_name, (*with_load_knobs(target_knobs), model_knob(model, request.spec)))
    values = {
        **target_knobs.parse_sweep(target_knobs.known_words(scenario.knobs)),
        **knobs.parse_sweep(request.words),
    }
    load_values = {name: values.pop(name) for name in LEVELS if name in values}
    values |= mixes(request, scenario, values.pop(MIX, None))
    values = {**explaining(target_knobs, scenario, values), **values}
    _check_protocols(request, values)
    swept = {name: several for name, several in values.items() if len(several) > 1}
    fixed = {name: several[0] for name, several in values.items() if len(several) == 1}
    loads = _load_levels(request, load_values)
    settings, conflicts = _split(target_knobs, fixed, _grid(swept))
    points = tuple(
        Point(number=number, setting=setting, arrivals=arrivals)
        for number, (setting, arrivals) in enumerate(itertools.product(settings, loads))
    )
    seconds = _seconds(request, loads)
    repeats = _repeats(request, seconds)
    if len(points) * repeats > MAX_TRIALS:
        raise UserError(f"{len(points)} points x {repeats} repeats are too many; sweep fewer values")
    plan = Plan(
        name=_name(request),
        target=request.target,
        scenario=request.scenario,
        model=model,
        points=points,
        trials=order_trials(_restart_groups(points, knobs), repeats, request.seed),
        fixed=fixed,
        left_out=(*_not_here(target_knobs, request.words), *conflicts),
        chat=request.chat,
        protocol=request.protocol,
        check=request.check,
        seconds=seconds,
        warmup_seconds=request.warmup_seconds,
        timeout_seconds=request.timeout_seconds,
        connect_timeout_seconds=request.connect_timeout_seconds,
        first_byte_timeout_seconds=request.first_byte_timeout_seconds,
        repeats=repeats,
        precision=request.precision,
        slo=request.slo,
        capacity=request.capacity,
        isolate=request.isolate,
        in_process=isinstance(request.spec, InProcessTarget),
        load_processes=request.load_processes,
        remote_workers=request.remote_workers,
        bind=request.bind,
        max_in_flight=request.max_in_flight,
        reference=request.reference,
        payloads=request.payloads,
        item_shape=request.item_shape,
        metrics=request.metrics,
        seed=request.seed,
    )
    if request.budget_seconds is None or set(swept) == {MIX}:  # mixes are different work, none of which is the best
        return plan
    starts = tuple(_restart_groups(points, knobs))
    return within_budget(plan, request.budget_seconds, starts, given=request.budget_given)


def model_of(request: Request, scenario: Scenario) -> str:
    """The model that the user named, or the scenario's; the target's first where it does not have that one."""
    if request.model or request.spec is None or scenario.model in request.spec.models:
        return request.model or scenario.model
    return request.spec.models[0]


def _seconds(request: Request, loads: Sequence[Arrivals]) -> float:
    """How long is measured: as long as was said, or as the arrivals last, or the default."""
    if request.seconds is not None:
        return request.seconds
    lengths_s = [length for load in loads if (length := length_s(load)) is not None]
    if not lengths_s:
        return DEFAULT_SECONDS if request.precision is None else DEFAULT_PRECISE_SECONDS
    seconds = max(lengths_s) - request.warmup_seconds
    if seconds <= 0:
        raise UserError(f"--warmup {request.warmup_seconds:g}s: nothing is left to measure of {max(lengths_s):g} s")
    return seconds


def _repeats(request: Request, seconds: float) -> int:
    """How often each point is run; with a precision: at most."""
    if request.precision is None:
        return request.repeats
    repeats = int(request.max_seconds / seconds + 1e-9)
    if repeats < FEWEST_REPEATS:
        raise UserError(
            f"--max-seconds {request.max_seconds:g}s: a precision takes {FEWEST_REPEATS} repeats or more of --seconds "
            f"{seconds:g}s; give {FEWEST_REPEATS * seconds:g}s or more"
        )
    return repeats


def _refuse_knobs_of_others(words: Iterable[str], spec: TargetSpec) -> None:
    own = {MODEL, *(knob.name for knob in with_load_knobs(spec.knobs))}
    for name in [word.partition("=")[0] for word in words]:
        ours = [other for other in known_targets().values() if not isinstance(other, RecipeTarget)]
        owners = [other.name for other in ours if any(knob.name == name for knob in other.knobs)]
        if name not in own and owners:
            raise UserError(f"{name}: {spec.name} has no such knob; --target {' or '.join(owners)} has it")


def _grid(swept: dict[str, tuple[Value, ...]]) -> list[Setting]:
    return [dict(zip(swept, combination, strict=True)) for combination in itertools.product(*swept.values())]


def _split(knobs: KnobSet, fixed: Setting, grid: list[Setting]) -> tuple[list[Setting], list[str]]:
    """The settings of the grid that can be, and of the others why they cannot. Raises UserError where none can."""
    conflicts = [knobs.conflict_in({**fixed, **setting}) for setting in grid]
    possible = [setting for setting, conflict in zip(grid, conflicts, strict=True) if conflict is None]
    reasons = [conflict for conflict in dict.fromkeys(conflicts) if conflict is not None]
    if not possible:
        raise UserError(reasons[0])
    return possible, reasons


def _not_here(knobs: KnobSet, words: Sequence[str]) -> list[str]:
    """Of the knobs swept by their bare names: the values that this machine lacks, and how to get them."""
    bare = [knob for knob in knobs if knob.name in words]
    return [f"{knob.name}={value}: {remedy}" for knob in bare for value, remedy in knob.unavailable]


def model_knob(model: str, spec: TargetSpec | None) -> Knob:
    """Which model is served; a plain sweep compares those of the same task."""
    return Knob(
        name=MODEL,
        doc="The model that is served; a plain sweep takes all that were trained on the same data.",
        default=model,
        swept=spec.rivals(model) if spec and model in spec.models else (model,),
        choices=spec.models if spec else (),
        apply=Apply.RESTART if spec else Apply.LIVE,
    )


def with_load_knobs(knobs: KnobSet) -> KnobSet:
    """All that can be swept on a target: its own knobs and the load's."""
    return KnobSet(knobs.owner_name, (*knobs, *LOAD_KNOBS))


def _check_protocols(request: Request, values: dict[str, tuple[Value, ...]]) -> None:
    """Raise UserError where a target does not speak what the load would."""
    spec = request.spec
    protocols = values.get(PROTOCOL, (request.protocol,))
    if spec is None or protocols == (AUTO,):
        return
    if isinstance(spec, InProcessTarget):
        raise UserError(f"protocol: {spec.name} lives in the load process, where nothing is sent; leave it out")
    if GRPC in protocols and not spec.speaks(GRPC):
        raise UserError(f"protocol: {spec.name} does not speak gRPC; leave grpc out, or take --target batched")


def _restart_groups(points: Sequence[Point], knobs: KnobSet) -> list[int]:
    """One number per point, equal where the target need not be started again between them."""
    restarting = {MODEL, *(knob.name for knob in knobs if knob.apply is Apply.RESTART)}
    groups: dict[tuple[Value, ...], int] = {}
    return [
        groups.setdefault(tuple(value for name, value in point.setting.items() if name in restarting), len(groups))
        for point in points
    ]


def restart_count(plan: Plan, knobs: KnobSet) -> int:
    """How often the target is started again between trials, in the plan's order."""
    groups = _restart_groups([plan.point(trial.point) for trial in plan.trials], with_load_knobs(knobs))
    return sum(before != after for before, after in itertools.pairwise(groups))


def estimated_seconds(plan: Plan, knobs: KnobSet | None) -> float:
    """How long a plan will take, target starts included; `knobs` None: the target is not ours to start."""
    if plan.budget_seconds is not None:
        return plan.budget_seconds
    trial_seconds = plan.seconds + trial_overhead_seconds(plan)
    starts = 1 + restart_count(plan, knobs) if knobs else 0
    return len(plan.trials) * trial_seconds + starts * TARGET_START_SECONDS


def _name(request: Request) -> str:
    names = [word.partition("=")[0] for word in request.words]
    if request.capacity:
        return "-".join(("capacity", *names))
    return "-".join(("sweep", *names)) if names else "run"


def _load_levels(request: Request, load_values: dict[str, tuple[Value, ...]]) -> list[Arrivals]:
    kind = request.arrivals.kind or ("poisson" if "rate" in load_values else "closed")
    if kind == "closed":
        if "rate" in load_values:
            raise UserError("rate: a closed loop has no rate; leave out --arrivals closed, or sweep concurrency")
        users = load_values.get("concurrency", request.concurrency)
        return [Closed(users=int(count), think_time_s=request.arrivals.think_time_s) for count in users]
    if "concurrency" in load_values:
        raise UserError(f"concurrency: open-loop arrivals ({kind}) have no users; sweep rate, or use --arrivals closed")
    return _open_levels(kind, request.arrivals, load_values.get("rate"))


def _open_levels(kind: str, choice: ArrivalChoice, rates: tuple[Value, ...] | None) -> list[Arrivals]:
    if kind in ("stages", "users"):
        if not choice.stages:
            raise UserError(f"--arrivals {kind}: say which, for example --stages 10s:0-200,20s:200")
        return [Stages(stages=choice.stages) if kind == "stages" else users_of(choice.stages, choice.think_time_s)]
    if kind == "replay":
        if choice.trace is None:
            raise UserError("--arrivals replay: say which timestamps, with --trace FILE.csv")
        return [Replay(path=choice.trace, speed=choice.speed)]
    if rates is None:
        raise UserError(f"--arrivals {kind}: give a rate in requests/s, with --rate or rate=100,200")
    numbers = [float(rate) for rate in rates]
    if kind == "constant":
        return [Constant(rate_rps=rate) for rate in numbers]
    if kind == "poisson":
        return [Poisson(rate_rps=rate) for rate in numbers]
    return [Gamma(rate_rps=rate, cv=choice.cv) for rate in numbers]
