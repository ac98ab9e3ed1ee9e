"""The wait for a load process: on a clock of the test's own, with real child processes."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from manual_clock import ManualClock

from harness.clock import NS_PER_S
from harness.measure.trial import LoadProcess, TrialJob
from harness.plan.arrivals import Closed
from harness.plan.paired.pairing import VARIANT, Pairing, Variant
from harness.plan.plan import Plan, Point
from harness.system.child_process import ChildProcess
from harness.system.cpu_cores import Isolation

pytestmark = pytest.mark.process

ENDS_WHEN_ASKED = """
import os
import sys
from harness.system.control_channel import ControlChannel
print(ControlChannel.inherited(int(sys.argv[-1])).receive(30))
"""


class Folder:
    """The parts of a TrialDir that the wait reads; it counts how often the state of the load is read."""

    def __init__(self, path):
        self.path = path
        self.load_log = path / "load.log"
        self.looks_ns = []

    def live(self, now_ns):
        self.looks_ns.append(now_ns)


@pytest.fixture
def load(tmp_path):
    """Starts a program as the load process of a trial whose clock moves only when it sleeps."""
    started = []

    def start(code):
        folder = Folder(tmp_path)
        plan = SimpleNamespace(load=SimpleNamespace(timeout_s=10.0))
        job = SimpleNamespace(plan=plan, folder=folder, clock=ManualClock(), watch=lambda live: None)
        process, control = ChildProcess.with_control([sys.executable, "-c", code], log=folder.load_log)
        started.append(LoadProcess(process, control, job))
        return started[-1], folder

    yield start
    for each in started:
        each.close()


@pytest.fixture
def started_on():
    """Starts a process that may use these cores alone, and returns its id."""
    started = []

    def start(cores):
        started.append(ChildProcess([sys.executable, "-c", "import sys; sys.stdin.read()"], cores=tuple(cores)))
        return started[-1].pid

    yield start
    for each in started:
        each.kill()
        each.close()


def session(*, died=False):
    return SimpleNamespace(died=lambda: died)


def test_a_load_that_does_not_end_is_stopped_at_its_deadline_on_the_clock_given(load):
    running, folder = load(ENDS_WHEN_ASKED)

    failure = running.wait(session(), deadline_ns=5 * NS_PER_S)

    assert failure == "the load process did not end in time and was stopped; see load.log"
    assert running.exit_code == 0
    assert "{'stop': True}" in folder.load_log.read_text()
    assert folder.looks_ns == [n * NS_PER_S for n in range(1, 6)]  # once a second of that clock


def test_a_target_that_died_ends_the_load(load):
    running, _ = load(ENDS_WHEN_ASKED)

    assert running.wait(session(died=True), 5 * NS_PER_S) == "the target died during the trial; see target.log"
    assert running.exit_code == 0


@pytest.mark.parametrize(
    ("code", "report", "failure"),
    [
        ("print('one'); print('two'); raise SystemExit(3)", True, "the load process ended with exit code 3: two"),
        ("print('[x] h/ERROR/harness.load: no memory'); print('bye'); raise SystemExit(2)", True,
         "the load process ended with exit code 2: no memory"),
        (
            ("import logging; logging.basicConfig()\n"
            "try: raise KeyError('no database')\n"
            "except KeyError: logging.exception('Uncaught exception in event handler: ')\n"
            "logging.info('Shutting down'); logging.warning('bye'); raise SystemExit(2)"),
            True,
            "the load process ended with exit code 2: an uncaught exception, KeyError: 'no database'",
        ),
        ("", False, "the load process left no report: nothing in load.log"),
        ("raise SystemExit(1)", True, None),  # some requests failed, which the rows record
        ("", True, None),
    ],
)  # fmt: skip
def test_a_load_that_ends_by_itself_succeeds_or_says_why(load, code, report, failure):
    running, folder = load(code)
    if report:
        Path(folder.path / "load.json").touch()
    running._process.wait(30)

    assert running.wait(session(), NS_PER_S) == failure


def test_only_of_a_server_that_was_started_here_it_is_known_whether_it_had_cores_of_its_own(started_on):
    core = min(os.sched_getaffinity(0))
    pinned = Isolation(target_cores=(core,), load_cores=(1,), isolated=True, text="")
    variants = (Variant(name="A", target="batched"), Variant(name="B", target="http://127.0.0.1:8000"))
    points = tuple(
        Point(number=number, setting={VARIANT: each.name}, arrivals=Closed(users=1))
        for number, each in enumerate(variants)
    )
    plan = Plan(
        target="batched", scenario="s.py", points=points, pairing=Pairing(variants=variants, margin=0.1, budget_s=60)
    )
    pids = (started_on({core}), None)  # of the second none is known
    jobs = [
        TrialJob(plan, None, point, SimpleNamespace(pid=pid), pinned, None)
        for point, pid in zip(points, pids, strict=True)
    ]
    assert [job.isolated for job in jobs] == [True, None]


def test_a_server_that_does_not_keep_to_the_cores_of_its_command_is_not_isolated(started_on):
    """As one that docker or systemd starts."""
    point = Point(number=0, setting={}, arrivals=Closed(users=1))
    plan = Plan(target="mine.toml", scenario="s.py", points=(point,))
    cores = os.sched_getaffinity(0)
    pid = started_on(cores)
    for given, isolated in ((cores, True), ({max(cores) + 1}, False)):
        pinned = Isolation(target_cores=tuple(given), load_cores=(), isolated=True, text="")
        assert TrialJob(plan, None, point, SimpleNamespace(pid=pid), pinned, None).isolated is isolated
