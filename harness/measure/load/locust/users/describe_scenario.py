"""`python -m harness.measure.load.locust.users.describe_scenario SCENARIO` prints what a scenario declares, as JSON.

It is a process of its own, because importing a scenario imports Locust, which patches the whole interpreter.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from locust.util.load_locustfile import load_locustfile

from harness.errors import ExitCode, UserError
from harness.measure.load.locust.users.inference_user import refuse_wait_time
from harness.measure.load.locust.users.scenario_user import PREDICT, ScenarioUser, declared
from harness.plan.arrivals import Shape
from harness.plan.chat_shape import ChatShape
from harness.plan.load_options import chat_of_class
from harness.plan.scenario import Scenario
from harness.plan.slo import parse_slo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan.request_mix import RequestClass

ANY_SLO = "p99<1s"
LONGEST_SHAPE_S = 24 * 3600


def main() -> int:
    """Print the declarations; exit code 2 where the scenario cannot be used."""
    path = sys.argv[1]
    users, shapes = load_locustfile(path)[:2]
    try:
        refuse_wait_time(users.values())
        for user in users.values():
            _check_classes(getattr(user, "request_classes", None) or {})
    except UserError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    user = next((each for each in users.values() if getattr(each, "request_classes", None)), declared())
    own_requests = not user.request_classes
    if not users:
        print("it has no user class; a class that derives from HttpUser or another User is one", file=sys.stderr)
        return int(ExitCode.USAGE)
    scenario = Scenario(
        classes=dict(user.request_classes or PREDICT),
        own_requests=own_requests,
        foreign=not any(issubclass(each, ScenarioUser) for each in users.values()),
        shape=_shape(next(iter(shapes), None)),
        mix=user.mix,
        model=Path(path).stem if own_requests and user is ScenarioUser else user.default_model,
        knobs=tuple(user.default_knobs),
        defaults=dict(user.default_options),
    )
    print(msgspec.json.encode(scenario).decode())
    return 0


def _check_classes(classes: Mapping[str, RequestClass]) -> None:
    """Raise UserError where a class has an option or an objective that cannot be read."""
    for name, each in classes.items():
        try:
            chat_of_class(each, ChatShape())
            parse_slo(each.slo or ANY_SLO)
        except UserError as error:
            raise UserError(f"request class {name}: {error}") from error


def _shape(shape: Any) -> Shape | None:
    """The load shape with its length, found by asking for every second of it; None where there is none."""
    if shape is None:
        return None
    for second in range(LONGEST_SHAPE_S):
        shape.get_run_time = lambda at=second: float(at)
        try:
            if shape.tick() is None:
                return Shape(shape_s=float(second) or None)
        except Exception:  # noqa: BLE001  (a shape may need a running test)
            break
    return Shape()


if __name__ == "__main__":
    sys.exit(main())
