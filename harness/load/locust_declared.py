"""`python -m harness.load.locust_declared SCENARIO`: the request classes that a scenario declares, as JSON.

A process of its own, because importing a scenario imports Locust, which patches the whole interpreter.
"""

from __future__ import annotations

import sys

import msgspec
from locust.util.load_locustfile import load_locustfile

from harness.load.locust_mix import PREDICT


def main() -> int:
    """Print what the file declares."""
    users = load_locustfile(sys.argv[1])[0]
    declared = next((user for user in users.values() if hasattr(user, "request_classes")), None)
    classes = getattr(declared, "request_classes", PREDICT)
    print(msgspec.json.encode({"classes": classes, "mix": getattr(declared, "mix", "")}).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
