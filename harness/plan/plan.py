"""A plan: everything that a run will do, decided before it starts and written to run.json."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from harness.errors import UserError
from harness.plan.arrivals import Arrivals, Closed, kind_of
from harness.plan.knobs import Setting, Value, format_value
from harness.plan.load_knobs import CHAT_KNOBS, CHECK, MIX, PROTOCOL, SKEW
from harness.plan.load_options import chat_of
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.pairing import VARIANT, Pairing, Variant
from harness.plan.request_mix import RequestClass
from harness.plan.slo import KeptBound, Slo
from harness.wire.own.own_request import OwnRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEWEST_REPEATS = 3  # with --precision: only from three repeats on does an interval cover what differs between runs
SCHEMA_VERSION = 2
MAX_TRIALS = 10_000
MODEL = "model"
# What a trial costs beside its seconds: starting Locust, ending it, reading its rows. Measured, rounded up.
TRIAL_OVERHEAD_SECONDS = 1.0
TARGET_START_SECONDS = 10.0
OF_THE_LOAD = (MIX, PROTOCOL, CHECK, SKEW, *CHAT_KNOBS)  # knobs in a setting that the target does not have
OF_THE_HARNESS = (MODEL, VARIANT, *OF_THE_LOAD)


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """What a target must serve: a model, knobs as far as the user set them, and a protocol (or `auto`).

    `target`: which, where a plan has several. `fresh`: a target that the harness starts is started for this request.
    """

    model: str
    setting: Setting
    protocol: str
    target: str = ""
    fresh: bool = False


class OfSetting(Protocol):
    """What belongs to one setting of the swept knobs: a point, or its figures."""

    @property
    def setting(self) -> Setting:
        """The swept knobs."""


class BasePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of the swept knobs."""

    number: int
    setting: Setting

    @property
    def slug(self) -> str:
        """A short name fit for a folder: `batch_size=4-users=32`."""
        parts = [*(f"{name}={format_value(value)}" for name, value in self.setting.items()), *self._load_words()]
        return "".join(c if c.isalnum() or c in "=.-_" else "-" for c in "-".join(parts))

    def _load_words(self) -> list[str]:
        return []


class Point(BasePoint, frozen=True, kw_only=True):
    """One setting of the swept knobs at one load level."""

    arrivals: Arrivals

    def _load_words(self) -> list[str]:
        if isinstance(self.arrivals, Closed):
            return [f"users={self.arrivals.users}"]
        rate_rps = getattr(self.arrivals, "rate_rps", None)
        return [kind_of(self.arrivals) + ("" if rate_rps is None else f"={rate_rps:g}")]


class TrialKind(StrEnum):
    """What a trial within a budget is for: finding the best points, or confirming them."""

    EXPLORE = "explore"
    CONFIRM = "confirm"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One point, run once."""

    number: int
    point: int
    repeat: int
    seed: int
    # Within a budget only:
    kind: TrialKind | None = None
    block: int = 0  # trials of a block are interleaved and compared with each other
    seconds: float | None = None  # measured time, None: the plan's
    why: str = ""  # what for, in words, where a search chose it


class TuneSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What a search for the best setting chooses from; the plan's point 0 is the default at its first load.

    levels: users of a closed loop, or rates. objective: `goodput`, `tokens_per_s` or `cost`. settings: how many are
    possible, impossible: how many more would be, if values did not exclude each other. keep: bounds beside the SLO.
    search: what chooses, `model` or `optuna`.
    """

    values: dict[str, tuple[Value, ...]]  # those that are tried of each knob; the default may be another
    levels: tuple[float, ...]
    objective: str = "goodput"
    settings: int = 0
    impossible: int = 0
    keep: tuple[KeptBound, ...] = ()
    search: str = "model"


PointT = TypeVar("PointT", bound=BasePoint)


class BasePlan(msgspec.Struct, Generic[PointT], frozen=True, kw_only=True):
    """The fields of every plan: the points, and the order of the trials that measure them."""

    name: str = ""
    model: str = ""
    points: tuple[PointT, ...] = ()
    trials: tuple[Trial, ...] = ()  # in the order in which they run
    fixed: Setting = {}  # knobs set by the user but not swept
    left_out: tuple[str, ...] = ()  # settings of the sweep that cannot run here, each with the reason
    seed: int = 0

    def point(self, number: int) -> PointT:
        """The point with that number."""
        return self.points[number]

    def setting_of(self, point: PointT) -> Setting:
        """All knobs that the user set for `point`, swept or fixed."""
        return {**self.fixed, **point.setting}

    @property
    def swept(self) -> tuple[str, ...]:
        """Names of the knobs that differ between points, in the order they were given."""
        return tuple(self.points[0].setting) if self.points else ()

    @property
    def varied(self) -> tuple[str, ...]:
        """The same, with those in which the variants differ that are compared."""
        return self.swept


class Plan(BasePlan[Point], frozen=True, kw_only=True):
    """What is measured of a server, how, and in which order.

    The command line fills the fields of this class; `make_plan` adds points, trials, knobs and a model.
    """

    target: str  # the name of an embedded target, a recipe, or a URL
    scenario: str  # path of the locustfile
    load: LoadSettings = LoadSettings()
    repeats: int = 2  # of each point; with a precision: at most
    precision: float | None = None  # repeat each point until its intervals are within this share of their values
    budget_seconds: float | None = None  # for the whole run, to which trials are added where they decide most
    starts: tuple[int, ...] = ()  # with a budget: for each point a number, equal where no restart lies between
    slo: Slo | None = None
    price_per_hour: float | None = None  # of the whole server, in any currency
    tune: TuneSpace | None = None  # the search for the best setting adds points
    pairing: Pairing | None = None  # two variants are compared: blocks of trials are added
    capacity: bool = False  # the search for each setting's capacity adds points
    capacity_budget_s: float = 240.0  # for the rates of each setting
    isolate: bool = True  # pin target and load to separate cores
    rate_unit: str = "req/s"  # in which points are ranked: of a language model tokens/s, or results/s
    chat_classes: dict[str, RequestClass] = {}  # those to a language model, by name
    own_requests: bool = False  # users make their own requests: the server is asked nothing before the load
    locust_arguments: tuple[str, ...] = ()  # further arguments of Locust, such as --tags
    in_process: bool = False  # the model lives in the load process
    load_processes: int = 1
    remote_workers: int = 0  # load processes that a user starts, on this or other machines
    bind: str = "127.0.0.1:5557"  # the address at which they reach this machine
    request: OwnRequest = OwnRequest()  # requests of the user's own
    reference: str = ""  # model whose predictions are expected of a server of others
    payloads: str = ""  # the user's own file of payloads for a server of others
    item_shape: tuple[int, ...] = ()  # sizes that a server of others leaves open
    metrics: str = ""  # URL of such a server's Prometheus metrics; empty: they are looked for
    schema_version: int = SCHEMA_VERSION

    @property
    def seconds(self) -> float:
        """The measured time of each trial. Raises RuntimeError before `make_plan` has set it."""
        if self.load.measure_s is None:
            raise RuntimeError("this plan has no length yet")
        return self.load.measure_s

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the swept knobs, and of those in which the variants differ that are compared."""
        return (*self.swept, *(self.pairing.differing if self.pairing else ()))

    def variant_at(self, point: OfSetting) -> Variant | None:
        """The variant that is measured at `point`; None where none are compared."""
        return self.pairing.variant(str(point.setting[VARIANT])) if self.pairing else None

    def setting_of(self, point: OfSetting) -> Setting:
        """All knobs that the user set for `point`: swept, fixed, or those of its variant."""
        variant = self.variant_at(point)
        return {**self.fixed, **(variant.setting if variant else {}), **point.setting}

    def target_setting(self, point: Point) -> Setting:
        """The target's knobs at `point`, as far as the user set them."""
        return {name: value for name, value in self.setting_of(point).items() if name not in OF_THE_HARNESS}

    def model_at(self, point: OfSetting) -> str:
        """The model that requests ask for at `point`."""
        variant = self.variant_at(point)
        return str(self.setting_of(point).get(MODEL, variant.model if variant else self.model))

    def target_at(self, point: OfSetting) -> str:
        """The target that is measured at `point`."""
        variant = self.variant_at(point)
        return variant.target if variant else self.target

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target that is measured, in the order of the points."""
        return self.pairing.targets if self.pairing else (self.target,)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that the plan asks for, in the order of its points."""
        return tuple(dict.fromkeys(self.model_at(point) for point in self.points))

    def target_request(self, point: Point) -> TargetRequest:
        """What the target must serve at `point`."""
        return TargetRequest(
            self.model_at(point),
            self.target_setting(point),
            self.load_at(point).protocol,
            target=self.target_at(point),
            fresh=self.pairing is not None and self.pairing.fresh,
        )

    def load_at(self, point: Point) -> LoadSettings:
        """The settings of the load at `point`: those of the plan, with the load's knobs that the user set."""
        setting = self.setting_of(point)
        chat = self.load.chat.with_knobs({name: setting[name] for name in CHAT_KNOBS if name in setting})
        chosen = {name: setting[name] for name in OF_THE_LOAD if name in setting and name not in CHAT_KNOBS}
        return msgspec.structs.replace(self.load, chat=chat, **chosen)

    @property
    def workers(self) -> int:
        """How many load processes share the load, whoever starts them."""
        return self.remote_workers or self.load_processes


def trial_overhead_seconds(plan: Plan) -> float:
    """What a trial takes beside its measured seconds."""
    return plan.load.warmup_s + TRIAL_OVERHEAD_SECONDS


def trial_seconds(plan: Plan) -> float:
    """What a trial takes in all, a start of the target excepted."""
    return plan.seconds + trial_overhead_seconds(plan)


def first_look_seconds(plan: Plan) -> float:
    """About how long one trial of every point takes, target starts included."""
    starts = len(set(plan.starts)) if plan.starts else 1
    return len(plan.points) * trial_seconds(plan) + starts * TARGET_START_SECONDS


def order_trials(groups: Sequence[int], repeats: int, seed: int) -> tuple[Trial, ...]:
    """All trials in blocks: each repeat visits every point once, in an order of its own.

    `groups[i]` is the restart group of point i: points of a group share one start of the target and are run
    one after the other. Blocks keep a slow drift of the machine from favouring a point (randomised block
    design); `seed` makes the order, and each trial's own seed, repeatable.
    Raises UserError for more than `MAX_TRIALS`.
    """
    if len(groups) * repeats > MAX_TRIALS:
        raise UserError(f"{len(groups)} points x {repeats} trials each are too many; sweep fewer values")
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for repeat in range(repeats):
        rank = rng.permutation(max(groups, default=0) + 1)
        shuffled = rng.permutation(len(groups))
        for point in sorted(shuffled, key=lambda number: int(rank[groups[number]])):
            trial_seed = int(rng.integers(2**31))
            trials.append(Trial(number=len(trials), point=int(point), repeat=repeat, seed=trial_seed))
    return tuple(trials)


_LOAD_FIELDS_1 = {  # of schema 1, in which they were fields of the plan, with their names in `LoadSettings`
    "protocol": "protocol",
    "check": "check",
    "seconds": "measure_s",
    "warmup_seconds": "warmup_s",
    "timeout_seconds": "timeout_s",
    "connect_timeout_seconds": "connect_timeout_s",
    "first_byte_timeout_seconds": "first_byte_timeout_s",
    "max_in_flight": "max_in_flight",
}


def plan_of_schema_1(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON fields of a plan in the present schema, from those of schema 1."""
    plan = dict(fields)
    load = {new: plan.pop(old) for old, new in _LOAD_FIELDS_1.items() if old in plan}
    chat = msgspec.to_builtins(chat_of(plan.pop("chat", {})))
    return {**plan, "load": {**load, "chat": chat}, "schema_version": SCHEMA_VERSION}
