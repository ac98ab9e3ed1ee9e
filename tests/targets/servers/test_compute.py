"""Where the loop leaves the core to the compute thread. The model is a stub that takes as long as it is told."""

import threading
from types import SimpleNamespace

import pytest

from targets.servers import compute
from targets.servers.compute import Batch, LocalCompute

LONG_S = 30.0


class Held:
    """Stands in for what makes the model's input; a batch takes until `release`."""

    def __init__(self):
        self.release = threading.Event()

    def batch(self, requests):
        del requests
        assert self.release.wait(LONG_S)
        raise RuntimeError("the model fails")


@pytest.fixture
def computing():
    assembler, called = Held(), threading.Event()
    loop = SimpleNamespace(call_soon_threadsafe=lambda *_: called.set())
    local = LocalCompute(SimpleNamespace(predict=None), assembler)
    local._loop = loop
    yield local, assembler, called
    assembler.release.set()
    local.stop()


def a_long_batch():
    item = SimpleNamespace(request=SimpleNamespace(steps=1))  # an explanation always goes to the thread
    return Batch([item], 1, 0, 0)


def test_the_loop_rests_until_the_batch_ends_and_no_longer(computing, monkeypatch, capfd):
    local, assembler, called = computing
    monkeypatch.setattr(compute, "REST_S", LONG_S)
    local.run(a_long_batch())
    rested = threading.Thread(target=local.rest)
    rested.start()
    assert rested.is_alive()
    assembler.release.set()
    rested.join(LONG_S / 2)
    assert not rested.is_alive()
    assert called.wait(LONG_S)
    assert "the model fails" in capfd.readouterr().err


def test_a_batch_that_goes_on_ends_the_rest_by_time(computing, monkeypatch):
    local, assembler, called = computing
    monkeypatch.setattr(compute, "REST_S", 0.0)
    local.run(a_long_batch())
    local.rest()
    assert not called.is_set()
    assert not assembler.release.is_set()


def test_there_is_no_rest_where_nothing_computes(computing, monkeypatch):
    local, *_ = computing
    monkeypatch.setattr(compute, "REST_S", threading.TIMEOUT_MAX)
    local.rest()
