import os
from typing import NamedTuple

import psutil

from harness.measure.samplers.machine.cpu import Machine


class Core(NamedTuple):
    """As psutil gives it on Linux."""

    user: float = 0.0
    nice: float = 0.0
    system: float = 0.0
    idle: float = 0.0
    iowait: float = 0.0
    irq: float = 0.0
    softirq: float = 0.0
    steal: float = 0.0
    guest: float = 0.0
    guest_nice: float = 0.0


def test_busy_is_all_but_idle_and_waiting_for_disks_since_the_last_reading():
    times = iter(
        [
            [Core(user=10, idle=90), Core(idle=100)],
            # core 0: 1 user + 0.5 stolen of 2 s; core 1: a guest's second is inside user already
            [Core(user=11, idle=90.25, iowait=0.25, steal=0.5), Core(user=1, guest=1, idle=103)],
        ]
    )
    machine = Machine(lambda: next(times))
    assert [tuple(r) for r in machine.read(0)] == [("machine", "steal_s", 0.0, None)]
    assert [tuple(r) for r in machine.read(1)] == [
        ("cpu0", "cpu_percent", 75.0, None),
        ("cpu1", "cpu_percent", 25.0, None),
        ("machine", "steal_s", 0.5, None),
    ]


def test_no_tick_between_two_readings_gives_no_figure():
    machine = Machine(lambda: [Core(idle=5)])
    machine.read(0)
    assert [r.metric for r in machine.read(1)] == ["steal_s"]


def test_an_idle_counter_that_runs_backwards_gives_no_more_than_all():
    times = iter([[Core(user=1, idle=9)], [Core(user=2, idle=8.99)]])
    machine = Machine(lambda: next(times))
    machine.read(0)
    assert machine.read(1)[0].value == 100.0


def test_a_reading_that_fails_is_an_error():
    def fail():
        raise PermissionError(13, "Permission denied")

    (reading,) = Machine(fail).read(0)
    assert reading.value is None
    assert "Permission denied" in reading.error


def test_this_machine_shows_every_core():
    machine = Machine()
    machine.read(0)
    start = psutil.cpu_times()
    while psutil.cpu_times().user + psutil.cpu_times().idle - start.user - start.idle < 0.1 * os.cpu_count():
        pass  # some ticks of 10 ms on every core
    shown = {r.source: r.value for r in machine.read(1) if r.metric == "cpu_percent"}
    assert set(shown) <= {f"cpu{n}" for n in range(os.cpu_count())}
    assert shown
    assert all(0 <= value <= 100 for value in shown.values())
