"""What a report shows of a search for the best setting, beside its recommendation."""

from __future__ import annotations

import msgspec

from harness.judge.interval import Interval
from harness.plan.knobs import Setting, Value


class ValueEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The best setting with another value of one knob: its figure as a share of the best's, at the same load."""

    value: Value
    ratio: Interval  # 1: no difference; as the surrogate has it
    settings: int  # that were measured with this value
    best: bool = False  # the value that the best setting has


class KnobEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What turning one knob away from the best setting does."""

    name: str
    values: tuple[ValueEffect, ...]
    matters: bool | None  # None: not enough is known
    interacts: bool = False  # its effect at the default surely differs from that at the best setting


class TuneStep(msgspec.Struct, frozen=True, kw_only=True):
    """One trial of the search, in its order. Figures are of this trial; None where it has none."""

    trial: int
    point: int
    changes: Setting  # what differs from the default
    load: str
    why: str
    figure: float | None
    kept: bool | None  # whether the point keeps the limit by all its trials
    failure: str | None = None
    best: float | None = None  # of all trials so far whose point keeps the limit


class FailedSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that cannot be served, and why."""

    changes: Setting
    reason: str


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """A search: how much of the space it tried, what it found, what each knob does."""

    objective: str
    settings: int  # possible ones
    impossible: int  # that declared conflicts leave out
    tried: int
    default_point: int | None  # the default at the load where it does best; None: it was never measured
    words: str  # the recommended setting, to be typed; empty where there is none
    server_flags: str  # the same for a server that a recipe starts
    steps: tuple[TuneStep, ...] = ()
    effects: tuple[KnobEffect, ...] = ()
    failed: tuple[FailedSetting, ...] = ()
    front: tuple[int, ...] = ()  # points that no other beats in latency and throughput at once
