"""Where rows of other clients lie when the wall clock is set during a test; time is a stand-in."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

# In a process of its own: importing Locust patches the interpreter. Instants are in seconds; `wall` is added to those
# of CLOCK_MONOTONIC.
PROGRAM = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace

from harness.measure.load.locust.users import other_clients

now, wall, seen = 0.0, 1000.0, []
other_clients.monotonic_ns = lambda: round(now * 1e9)
other_clients.wall_time = lambda: datetime.fromtimestamp(now + wall, UTC)
ledger = SimpleNamespace(observed=lambda request, place: seen.append(request.start_ns / 1e9))
classes = SimpleNamespace(place=lambda *_, **__: 0)
recorder = other_clients.OtherClientRecorder(SimpleNamespace(ledger=ledger, classes=classes))
for now, wall, start_time, seconds in json.loads(sys.argv[1]):
    recorder.on_request("GET", "/", seconds * 1000, start_time=start_time)
print(json.dumps(seen))
"""


def started(*requests):
    """The starts of requests of (end, wall clock's offset then, start_time, duration), all in seconds."""
    argv = [sys.executable, "-c", PROGRAM, json.dumps(requests)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout), done.stderr


def test_rows_stay_where_they_were_when_the_wall_clock_is_set():
    starts, said = started(
        (10, 1000, 1009.5, 0.5),  # before
        (20, 1005, 1018.0, 2.0),  # began at 18, before the clock was set 5 s ahead
        (30, 1005, 1034.5, 0.5),
        (31, 1005, 1015.0, 16.0),  # began at 15, before that too
        (40, 995, 1034.5, 0.5),  # set 10 s back
        (5000, 4600, 9599.5, 0.5),  # the machine slept for an hour
    )
    assert starts == pytest.approx([9.5, 18.0, 29.5, 15.0, 39.5, 4999.5], abs=1e-3)
    assert "time.time()" not in said


def test_a_request_that_is_reported_late_began_when_its_client_says():
    starts, said = started((10, 1000, 1004.0, 1.0))  # from 4 to 5, reported at 10
    assert starts == pytest.approx([4.0], abs=1e-3)
    assert "time.time()" not in said


def test_a_client_with_another_clock_is_taken_by_the_duration():
    starts, said = started((10, 1000, 7.0, 1.0), (12, 1000, 8.0, 1.0))
    assert starts == pytest.approx([9.0, 11.0], abs=1e-3)
    assert said.count("start_time of events.request is not time.time()") == 1
