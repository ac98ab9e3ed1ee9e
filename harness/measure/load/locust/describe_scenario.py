"""`python -m harness.measure.load.locust.describe_scenario SCENARIO`: what a scenario declares, as JSON.

A process of its own, because importing a scenario imports Locust, which patches the whole interpreter.
"""

from __future__ import annotations

import sys

import msgspec
from locust.util.load_locustfile import load_locustfile

from harness.measure.load.locust.mixed_classes import PREDICT
from harness.plan.scenario import DEFAULT_MODEL, Scenario


def main() -> int:
    """Print what the file declares."""
    users = load_locustfile(sys.argv[1])[0]
    declared = next((user for user in users.values() if hasattr(user, "request_classes")), None)
    scenario = Scenario(
        classes=dict(getattr(declared, "request_classes", PREDICT)),
        mix=getattr(declared, "mix", ""),
        model=getattr(declared, "default_model", DEFAULT_MODEL),
        knobs=tuple(getattr(declared, "default_knobs", ())),
        defaults=dict(getattr(declared, "default_options", {})),
    )
    print(msgspec.json.encode(scenario).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
