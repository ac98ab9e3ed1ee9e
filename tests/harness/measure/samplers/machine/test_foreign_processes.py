"""Who else is at work, with real processes."""

import os

import pytest
from consumers import ALONE, consumer, said

from harness.measure.samplers.machine.foreign_processes import ForeignProcesses

pytestmark = pytest.mark.process

NAMED = "open('/proc/self/comm', 'w').write('odd-stranger')\n" + ALONE


def used_by_stranger(foreign, members=()):
    return {each.name: each for each in foreign.scan(members, most=50)}.get("odd-stranger")


def test_a_stranger_is_named_with_what_it_used():
    foreign = ForeignProcesses({os.getpid()})
    foreign.scan(())
    with consumer(NAMED) as process:
        used_ns, _ = said(process)
        found = used_by_stranger(foreign)
        assert found.pid == process.pid
        assert found.cpu_s == pytest.approx(used_ns / 1e9, abs=0.03)  # two ticks of 10 ms


def test_the_targets_own_and_those_of_its_session_are_no_strangers():
    foreign = ForeignProcesses({os.getpid()})
    foreign.scan(())
    with consumer(NAMED) as process:
        said(process)
        assert used_by_stranger(foreign, (process.pid,)) is None
        assert used_by_stranger(foreign, (os.getsid(0),)) is None


def test_what_was_used_before_the_first_scan_does_not_count():
    with consumer(NAMED) as process:
        said(process)
        foreign = ForeignProcesses(())
        foreign.scan(())
        assert used_by_stranger(foreign) is None


@pytest.mark.parametrize("gone", [2**22 + 1])
def test_a_process_that_ends_meanwhile_is_skipped(gone, monkeypatch):
    monkeypatch.setattr("harness.measure.samplers.machine.foreign_processes._pids", lambda: [gone])
    assert ForeignProcesses(()).scan(()) == []
