"""A process that computes and hangs: it is killed once it has given nothing back for long enough, and not before."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from harness.clock import NS_PER_S
from targets.pipeline import compute as module
from targets.pipeline.compute import HUNG_AFTER_NS, PROCESS_DIED, PipelineCompute
from targets.pipeline.job import SIZE, Job, parse
from targets.pipeline.slots import Geometry, Slots, create_memory
from targets.pipeline.worker_pool import PipelineWorker

pytestmark = pytest.mark.process


class Loop:
    """Calls nothing by itself."""

    def __init__(self):
        self.later = []
        self.readers = {}

    def call_later(self, seconds, callback):
        self.later.append((seconds, callback))

    def add_reader(self, descriptor, callback, *arguments):
        self.readers[descriptor] = lambda: callback(*arguments)

    def remove_reader(self, descriptor):
        self.readers.pop(descriptor, None)


class InputAssembler:
    """One row of two numbers, whatever was asked."""

    def batch(self, requests):
        return np.ones((1, 2), np.float32), {}

    def average_views(self, outputs):
        return outputs


def watched(look, clock, duration_ns):
    """A look every second."""
    for _ in range(duration_ns // NS_PER_S):
        clock.ns += NS_PER_S
        look()


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(ns=0)
    monkeypatch.setattr(module, "monotonic_ns", lambda: now.ns)
    return now


@pytest.fixture
def process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_process_that_hangs_is_killed_and_its_batch_fails(clock, process):
    geometry = Geometry(slots=1, rows=1, width=2)
    stage = SimpleNamespace(input_dtype="<f4")
    slots = Slots.attach(create_memory(geometry), geometry)
    pool = SimpleNamespace(slots=slots, stages=[stage], watch=lambda loop, welcome: None)
    loop, finished = Loop(), []
    computing = PipelineCompute(pool, InputAssembler())
    computing.start(loop, lambda batch, result: finished.append(result), lambda: None)
    ours, theirs = socket.socketpair()
    computing._add_worker(PipelineWorker(0, ours, process.pid))
    ((_, look),) = loop.later
    watched(look, clock, 2 * HUNG_AFTER_NS)
    assert process.poll() is None, "an idle process does not hang"
    computing.run(SimpleNamespace(requests=list))
    assert parse(theirs.recv(SIZE)).shape == (1, 2)
    clock.ns += 10 * HUNG_AFTER_NS
    look()
    assert process.poll() is None, "everything stood still"
    watched(look, clock, HUNG_AFTER_NS)
    assert process.poll() is None, "there is still time"
    watched(look, clock, NS_PER_S)
    assert process.wait(20) == -9
    theirs.close()  # what the end of the process does
    loop.readers[ours.fileno()]()
    assert finished == [PROCESS_DIED]
    assert not computing.able()


def test_one_that_gives_something_back_now_and_then_is_not(clock, process, monkeypatch):
    geometry = Geometry(slots=1, rows=1, width=2)
    slots = Slots.attach(create_memory(geometry), geometry)
    pool = SimpleNamespace(slots=slots, stages=[SimpleNamespace(input_dtype="<f4")], watch=lambda *_: None)
    loop = Loop()
    computing = PipelineCompute(pool, InputAssembler())
    computing.start(loop, lambda *_: None, lambda: None)
    monkeypatch.setattr(module, "serialise", lambda *_: None)
    ours, theirs = socket.socketpair()
    computing._add_worker(PipelineWorker(0, ours, process.pid))
    for _ in range(3):
        computing.run(SimpleNamespace(requests=list))
        slot = parse(theirs.recv(SIZE)).slot
        watched(loop.later[0][1], clock, HUNG_AFTER_NS)
        Job(slot, (1, 2), 0, 1).send(theirs)
        loop.readers[ours.fileno()]()
        loop.later[0][1]()
    assert process.poll() is None
    theirs.close()
    ours.close()
