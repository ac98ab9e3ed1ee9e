"""A plan within a budget of seconds: its trials are added one by one while it runs, where they decide the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.plan.plan import Plan

# What a trial costs beside its seconds: starting Locust, ending it, reading its rows. Measured, rounded up.
TRIAL_OVERHEAD_SECONDS = 2.5
TARGET_START_SECONDS = 10.0
DEFAULT_BUDGET_SECONDS = 180.0
ROOM = 1.6  # a default budget grows to this many times what one look at each point takes
MINUTE_S = 60.0


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
            f"--budget {budget_s:g}s: a look at each of {len(plan.points)} points takes about {math.ceil(needed_s)} s; "
            "give more, or sweep fewer values"
        )
    if given or ROOM * needed_s <= budget_s:
        return planned
    return msgspec.structs.replace(planned, budget_seconds=MINUTE_S * math.ceil(ROOM * needed_s / MINUTE_S))


def trial_overhead_seconds(plan: Plan) -> float:
    """What a trial takes beside its measured seconds."""
    return plan.load.warmup_s + TRIAL_OVERHEAD_SECONDS


def first_look_seconds(plan: Plan) -> float:
    """About how long one trial of every point takes, target starts included."""
    starts = len(set(plan.starts)) if plan.starts else 1
    return len(plan.points) * (plan.seconds + trial_overhead_seconds(plan)) + starts * TARGET_START_SECONDS
