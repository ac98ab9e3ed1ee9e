"""Closed loops: users who each send the next request after the response to the last one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """`users` users, each of whom sends the next request `think_time_s` after its last response has arrived."""

    steady: ClassVar[bool] = True  # whether the load is the same all the time
    users: int
    think_time_s: float = 0.0

    @property
    def length_s(self) -> float | None:
        """None: it does not end by itself."""
        return None


class UserStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time over which the number of users changes linearly."""

    seconds: float
    start_users: float
    end_users: float


class Users(msgspec.Struct, frozen=True, kw_only=True, tag="users"):
    """Steps, ramps and spikes of users, each of whom sends as in `Closed`. A fractional number is rounded down."""

    steady: ClassVar[bool] = False
    stages: tuple[UserStage, ...]
    think_time_s: float = 0.0

    @property
    def length_s(self) -> float | None:
        """The length of all stages."""
        return sum(stage.seconds for stage in self.stages)


def user_events(stages: tuple[UserStage, ...]) -> list[tuple[int, int, bool]]:
    """(nanoseconds since the start, number of the user, whether it is added), in order of time.

    User k is present while the number of users is k + 1 or more.
    """
    most = math.floor(max((max(stage.start_users, stage.end_users) for stage in stages), default=0.0))
    events = [event for user in range(most) for event in _user_events(stages, user)]
    return sorted(events)


def _user_events(stages: tuple[UserStage, ...], user: int) -> Iterator[tuple[int, int, bool]]:
    level = user + 1
    begins_s, present = 0.0, False
    for stage in stages:
        start, end = stage.start_users >= level, stage.end_users >= level
        if start is not present:
            yield round(begins_s * NS_PER_S), user, start
        if end is not start:
            share = (level - stage.start_users) / (stage.end_users - stage.start_users)
            yield round((begins_s + share * stage.seconds) * NS_PER_S), user, end
        begins_s, present = begins_s + stage.seconds, end
