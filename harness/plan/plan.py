"""A plan: everything a run is going to do, decided before it starts and written to run.json."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
import numpy as np

from harness.plan.arrivals import Arrivals, Closed
from harness.plan.knobs import Setting, format_value
from harness.plan.slo import Slo

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA_VERSION = 1
MODEL = "model"
# The knobs in a setting that are the load's and not the target's.
LOADS_OWN = MIX, PROTOCOL, CHECK, SKEW = "mix", "protocol", "check", "skew"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a point asks of its target: a model, knobs as far as the user set them, and a protocol (or `auto`)."""

    model: str
    setting: Setting
    protocol: str


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
        return [type(self.arrivals).__name__.lower() + ("" if rate_rps is None else f"={rate_rps:g}")]


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


PointT = TypeVar("PointT", bound=BasePoint)


class BasePlan(msgspec.Struct, Generic[PointT], frozen=True, kw_only=True):
    """What every plan holds: the points, and in which order each is measured how often."""

    name: str
    model: str
    points: tuple[PointT, ...]
    trials: tuple[Trial, ...]  # in the order they are run
    fixed: Setting = {}  # knobs set by the user but not swept
    left_out: tuple[str, ...] = ()  # settings of the sweep that cannot be run here, and why
    seed: int

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


class Plan(BasePlan[Point], frozen=True, kw_only=True):
    """What is measured of a server, how, and in which order."""

    target: str  # the name of an embedded target, or a URL
    scenario: str  # path of the locustfile
    chat: dict[str, str] = {}  # what the user said of conversations, by option name
    protocol: str = "auto"  # a name of harness.wire.protocols
    check: str = "all"  # "all", "sample" or "off"
    seconds: float
    warmup_seconds: float
    timeout_seconds: float = 10.0
    connect_timeout_seconds: float | None = None  # None: as long as the whole
    first_byte_timeout_seconds: float | None = None
    repeats: int  # with a precision: at most
    precision: float | None = None  # measure each point until its intervals are within this share of their values
    budget_seconds: float | None = (
        None  # for everything; trials are added to the plan as the race between points goes on
    )
    starts: tuple[int, ...] = ()  # with a budget: of each point, equal where the target need not be started again
    slo: Slo | None = None
    capacity: bool = False  # points are added as the search for each setting's capacity goes on
    isolate: bool = True
    in_process: bool = False  # the model lives in the load process
    load_processes: int = 1
    remote_workers: int = 0  # load processes that somebody else starts, here or on other machines
    bind: str = "127.0.0.1:5557"  # where they reach us
    max_in_flight: int = 1024  # open loop: requests open at once, over all load processes
    reference: str = ""  # the model that a foreign server's answers are compared with
    payloads: str = ""  # the user's own file of payloads for a foreign server
    item_shape: tuple[int, ...] = ()  # sizes that a foreign server leaves open
    metrics: str = ""  # URL of a foreign server's Prometheus metrics; empty: where they are looked for
    schema_version: int = SCHEMA_VERSION

    def target_setting(self, point: Point) -> Setting:
        """The target's knobs at `point`, as far as the user set them."""
        return {name: value for name, value in self.setting_of(point).items() if name not in (MODEL, *LOADS_OWN)}

    def model_at(self, point: Point) -> str:
        """The model that is asked for at `point`."""
        return str(self.setting_of(point).get(MODEL, self.model))

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that the plan asks for, in the order of its points."""
        return tuple(dict.fromkeys(self.model_at(point) for point in self.points))

    def wanted(self, point: Point) -> Wanted:
        """What the target is to be at `point`."""
        return Wanted(self.model_at(point), self.target_setting(point), self.protocol_at(point))

    def protocol_at(self, point: Point) -> str:
        """What the load speaks at `point`, `auto` included."""
        return str(self.setting_of(point).get(PROTOCOL, self.protocol))

    def check_at(self, point: Point) -> str:
        """Which answers are checked at `point`."""
        return str(self.setting_of(point).get(CHECK, self.check))

    def skew_at(self, point: Point) -> float:
        """Zipf exponent of the payloads' popularity at `point`."""
        return float(self.setting_of(point).get(SKEW, 0.0))

    def mix(self, point: Point) -> str | None:
        """How the request classes are mixed at `point`; None: as the scenario says."""
        text = self.setting_of(point).get(MIX)
        return None if text is None else str(text)

    @property
    def workers(self) -> int:
        """How many load processes share the load, whoever starts them."""
        return self.remote_workers or self.load_processes


def order_trials(groups: Sequence[int], repeats: int, seed: int) -> tuple[Trial, ...]:
    """All trials in blocks: each repeat visits every point once, in an order of its own.

    `groups[i]` is the restart group of point i: points of a group share one start of the target and are run
    one after the other. Blocks keep a slow drift of the machine from favouring a point (randomised block
    design); `seed` makes the order, and each trial's own seed, repeatable.
    """
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for repeat in range(repeats):
        rank = rng.permutation(max(groups, default=0) + 1)
        shuffled = rng.permutation(len(groups))
        for point in sorted(shuffled, key=lambda number: int(rank[groups[number]])):
            trial_seed = int(rng.integers(2**31))
            trials.append(Trial(number=len(trials), point=int(point), repeat=repeat, seed=trial_seed))
    return tuple(trials)
