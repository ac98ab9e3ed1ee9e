"""The part that this process plays in each Locust environment, and the test that runs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.locust.role import BEGIN_LIMIT_S

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.locust.load_run import LoadRun
    from harness.measure.load.locust.role import Role

_roles: dict[int, Role] = {}  # by id of the environment


def play(environment: Environment, role: Role) -> None:
    """Make `role` the one of that environment."""
    _roles[id(environment)] = role


def role_in(environment: Environment) -> Role | None:
    """The role of this process; None before Locust's `init` event."""
    return _roles.get(id(environment))


def run_of(environment: Environment) -> LoadRun | None:
    """The test that runs, once it has begun (a worker may have to fetch files first); None where there is none."""
    role = role_in(environment)
    if role is None:
        return None
    role.begun.wait(BEGIN_LIMIT_S)
    return role.run
