"""`python -m harness.measure.load.locust.plain` is `locust`, which records the requests of all users."""

import importlib
import sys

from locust.main import main as locust_main


def main() -> None:
    """Run Locust."""
    importlib.import_module("harness.measure.load.locust.listeners")
    sys.argv[0] = "locust"
    locust_main()


if __name__ == "__main__":
    main()
