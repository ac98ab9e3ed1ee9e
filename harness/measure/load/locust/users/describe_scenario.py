"""`python -m harness.measure.load.locust.users.describe_scenario SCENARIO` prints what a scenario declares, as JSON.

It is a process of its own, because importing a scenario imports Locust, which patches the whole interpreter.
"""

from __future__ import annotations

import sys

import msgspec
from locust.util.load_locustfile import load_locustfile

from harness.errors import UserError
from harness.measure.load.locust.users.inference_user import refuse_wait_time
from harness.measure.load.locust.users.scenario_user import PREDICT, declared
from harness.plan.scenario import Scenario


def main() -> int:
    """Print the declarations; exit code 2 where the scenario cannot be used."""
    users = load_locustfile(sys.argv[1])[0]
    try:
        refuse_wait_time(users.values())
    except UserError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    user = next((each for each in users.values() if getattr(each, "request_classes", None)), declared())
    scenario = Scenario(
        classes=dict(user.request_classes or PREDICT),
        own_requests=not user.request_classes,
        mix=user.mix,
        model=user.default_model,
        knobs=tuple(user.default_knobs),
        defaults=dict(user.default_options),
    )
    print(msgspec.json.encode(scenario).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
