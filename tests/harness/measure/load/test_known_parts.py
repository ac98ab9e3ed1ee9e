"""The parts of the mean response time against a server, and a load process, that know their own."""

from __future__ import annotations

import json
import time
from threading import Event

import numpy as np
import pytest

from harness.judge.numbers.time_split import trial_split
from harness.judge.numbers.trial_rows import RowColumns
from harness.record.recorder import read_rows
from harness.record.rows import Outcome

pytestmark = pytest.mark.process
REQUESTS = 30
READS_LATE_S, COMPUTES_S, LOAD_LATE_S = 0.004, 0.006, 0.005
MS = 1e6


def test_the_parts_are_those_that_server_and_load_know_and_add_up(serve, bench, answer):
    queued_ns, wrote_ns = [], []

    def script(number, request, connection):
        del number, connection
        Event().wait(READS_LATE_S)  # as if the request had waited in the server's kernel, and been parsed
        queued_ns.append(time.monotonic_ns())
        Event().wait(COMPUTES_S)
        wrote_ns.append(time.monotonic_ns())
        parts = (queued_ns[-1] / MS, (wrote_ns[-1] - queued_ns[-1]) / MS)
        first, second = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"][0]["data"][:2]
        timing = b"server-timing: queued-at;dur=%.3f, compute;dur=%.6f\r\n" % parts
        return answer.ok([first + second, first - second], head=timing)

    driven = bench(serve(script).url)
    driven.load.begin_phases(time.monotonic_ns())
    driven.load.loop.add_user()
    while sum(driven.load.ledger.ended) < REQUESTS:
        if driven.poller.poll(0.1):
            Event().wait(LOAD_LATE_S)  # a load process that is busy with something else
            driven.load.engine.turn()
    driven.finish()
    rows = RowColumns(read_rows(driven.load.recorder.path))
    good = rows.where(rows.outcome_is(Outcome.OK))
    split = trial_split(good, None)
    count = len(good)
    mean_ms = float((good["done_ns"] - good["due_ns"]).mean()) / MS
    named = (split.send_ms, split.reach_ms, split.compute_ms, split.read_ms, split.rest_ms)
    assert None not in named
    assert sum(named) == pytest.approx(mean_ms, rel=0.02)
    # By the log of the server, and by the instants at which the load process read.
    assert split.reach_ms == pytest.approx(np.mean(queued_ns[:count] - good["sent_ns"]) / MS, rel=0.02, abs=0.002)
    assert split.compute_ms == pytest.approx(np.mean(np.subtract(wrote_ns, queued_ns)[:count]) / MS, rel=0.02)
    unread_ms = np.mean(good["done_ns"] - wrote_ns[:count]) / MS
    assert split.rest_ms >= 0.0
    assert split.read_ms + split.rest_ms == pytest.approx(unread_ms, rel=0.02, abs=0.01)
    assert split.read_ms > 1e3 * LOAD_LATE_S / 2  # what came while it was late already waited less
