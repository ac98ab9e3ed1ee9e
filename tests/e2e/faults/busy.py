"""The load process works FAULT_MS for every response; with FAULT_ONCE at that response alone."""

import itertools
import os
import time

from harness.measure.load.ledger import Ledger
from scenarios.predict import *  # noqa: F403

BUSY_S = float(os.environ["FAULT_MS"]) / 1e3
ONLY = int(os.environ.get("FAULT_ONCE", "0"))
_responded = Ledger.responded
_numbers = itertools.count(1)


def responded(self, *arguments):
    number = next(_numbers)
    end = time.perf_counter() + BUSY_S
    while (not ONLY or number == ONLY) and time.perf_counter() < end:
        pass
    _responded(self, *arguments)


Ledger.responded = responded
