"""Arrival processes: closed loops and open-loop processes, each a type of its own, which goes into run.json.

A new process is a class with a `tag` in `open_loop.py`, and an entry in both unions `Arrivals`; one of another package
is an entry point of the group `sweepspot.arrivals`. Its `options` are the flags of fields whose name no other has.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Union, get_args

import msgspec

from harness.errors import UserError, unknown_name
from harness.plan.arrivals.closed_loop import Closed, Users, UserStage, user_events
from harness.plan.arrivals.load_shape import Shape
from harness.plan.arrivals.open_loop import Constant, Gamma, OpenProcess, Poisson, Replay, Stage, Stages, stripe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arrivals", "Closed", "Constant", "Gamma", "OpenProcess", "Poisson", "Replay", "Shape", "Stage", "Stages",
           "UserStage", "Users", "arrivals_of", "has_field", "kind_of", "stripe", "user_events"]  # fmt: skip

MOST_USERS = 100_000


if TYPE_CHECKING:
    Arrivals = Closed | Users | Shape | Constant | Poisson | Gamma | Stages | Replay
else:
    of_packages = tuple(entry.load() for entry in entry_points(group="sweepspot.arrivals"))
    Arrivals = Union[(Closed, Users, Shape, Constant, Poisson, Gamma, Stages, Replay, *of_packages)]
KINDS: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(Arrivals)}
EXAMPLES = {  # of the flags of fields without a default
    "rate_rps": "--rate, for example --rate 100",
    "stages": "--stages, for example --stages 10s:0-200,20s:200",
    "path": "--trace FILE.csv",
}


def kind_of(arrivals: Arrivals) -> str:
    """The tag of the process, as `--arrivals` takes it."""
    return str(arrivals.__struct_config__.tag)


def has_field(kind: str, name: str) -> bool:
    """Whether arrivals of that kind have the field `name`."""
    return name in KINDS[kind].__struct_fields__


def arrivals_of(kind: str, given: Mapping[str, Any]) -> Arrivals:
    """The arrivals of that kind, from the fields in `given` that the kind has; others are ignored.

    `stages` are `Stage`s in any case. Raises UserError that names the flag of a field that is missing.
    """
    if kind not in KINDS:
        raise unknown_name("--arrivals", kind, KINDS)
    fields = {name: value for name, value in given.items() if has_field(kind, name)}
    for field in msgspec.structs.fields(KINDS[kind]):
        if field.required and field.name not in fields:
            raise UserError(f"--arrivals {kind} needs {EXAMPLES.get(field.name) or _flag(kind, field.name)}")
    if kind == "users":
        fields["stages"] = _user_stages(fields["stages"])
    return KINDS[kind](**fields)  # type: ignore[no-any-return]


def _flag(kind: str, name: str) -> str:
    return next((option.flag for option in KINDS[kind].options if option.field == name), name)


def _user_stages(stages: tuple[Stage, ...]) -> tuple[UserStage, ...]:
    """Stages that were written as those of a rate, as stages of users. Raises UserError for too many users."""
    most = max(max(stage.start_rps, stage.end_rps) for stage in stages)
    if most > MOST_USERS:
        raise UserError(f"--stages: {most:g} users are too many; at most {MOST_USERS:,} can be at the same time")
    return tuple(
        UserStage(seconds=stage.seconds, start_users=stage.start_rps, end_users=stage.end_rps) for stage in stages
    )
