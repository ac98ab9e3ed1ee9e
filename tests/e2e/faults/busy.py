"""The load process works FAULT_MS for every response; with FAULT_ONCE at that response alone."""

import itertools
import os
import time

from harness.measure.load.ledger import Ledger
from scenarios.predict import *  # noqa: F403

BUSY_S = float(os.environ["FAULT_MS"]) / 1e3
ONLY = int(os.environ.get("FAULT_ONCE", "0"))
_numbers = itertools.count(1)


def busy_before(record):
    def recorded(*arguments):
        number = next(_numbers)
        end = time.perf_counter() + BUSY_S
        while (not ONLY or number == ONLY) and time.perf_counter() < end:
            pass
        return record(*arguments)

    return recorded


Ledger.responded = busy_before(Ledger.responded)
Ledger.repeat = busy_before(Ledger.repeat)
