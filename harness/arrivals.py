"""How requests come: closed loop and the open-loop processes, each its own type.

The specifications are plain data (they go into run.json); the schedules made from them are pure.
"""

from __future__ import annotations

import msgspec


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """`users` users, each sending its next request when its last answer came, after `think_time_s`."""

    users: int
    think_time_s: float = 0.0


class Constant(msgspec.Struct, frozen=True, kw_only=True, tag="constant"):
    """One request every 1 / `rate_rps` seconds."""

    rate_rps: float


class Poisson(msgspec.Struct, frozen=True, kw_only=True, tag="poisson"):
    """Independent exponential gaps with mean 1 / `rate_rps`."""

    rate_rps: float


class Gamma(msgspec.Struct, frozen=True, kw_only=True, tag="gamma"):
    """Independent gamma gaps with mean 1 / `rate_rps` and coefficient of variation `cv`; cv > 1 is bursty."""

    rate_rps: float
    cv: float


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time over which the rate goes in a straight line from one value to another."""

    seconds: float
    start_rps: float
    end_rps: float


class Stages(msgspec.Struct, frozen=True, kw_only=True, tag="stages"):
    """Steps, ramps and spikes: a Poisson process whose rate is piecewise linear."""

    stages: tuple[Stage, ...]


class Replay(msgspec.Struct, frozen=True, kw_only=True, tag="replay"):
    """The instants in a CSV file's first column, in seconds; divided by `speed`."""

    path: str
    speed: float = 1.0


Open = Constant | Poisson | Gamma | Stages | Replay
Arrivals = Closed | Constant | Poisson | Gamma | Stages | Replay
