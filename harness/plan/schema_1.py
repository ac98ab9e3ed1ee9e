"""Reads plans of schema 1, in which the settings of the load stood among the plan's own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.plan.load_options import chat_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOAD_FIELDS = {  # of schema 1, with their names in `LoadSettings`
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
    load = {new: plan.pop(old) for old, new in _LOAD_FIELDS.items() if old in plan}
    chat = msgspec.to_builtins(chat_of(plan.pop("chat", {})))
    return {**plan, "load": {**load, "chat": chat}, "schema_version": 2}
