"""Real target processes on real sockets; those that import TensorFlow are started once per session."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harness.control import ControlChannel
from harness.judge.metrics import ModelCard
from harness.wire.payload_bank import Bank, BankMeta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_TIMEOUT_S = 100.0


class Served:
    """A target process with its control channel."""

    def __init__(self, name: str, **knobs: Any) -> None:
        self.control, theirs = ControlChannel.pair()
        argv = [sys.executable, "-m", "targets", name, "--knobs", json.dumps(knobs)]
        with theirs:
            self.process = subprocess.Popen(
                [*argv, "--control-fd", str(theirs.fileno())], pass_fds=(theirs.fileno(),), stdout=subprocess.DEVNULL
            )
        self.ready = self._until("ready")
        self.port = int(self.ready["url"].rpartition(":")[2])

    def _until(self, event: str) -> dict[str, Any]:
        while (message := self.control.receive(START_TIMEOUT_S)) is not None:
            if message["event"] in (event, "error"):
                return message
        raise AssertionError("the target ended before it was ready")

    def set(self, **knobs: Any) -> dict[str, Any]:
        self.control.send({"set": knobs})
        return self._until("set")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """(status, decoded JSON or bytes, lower-case headers) on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, json.loads(raw) if "json" in found.get("content-type", "") else raw, found
        finally:
            connection.close()

    @property
    def bank(self) -> Bank:
        from pathlib import Path

        return Bank.load(Path(self.ready["bank"]))

    def stop(self) -> int:
        self.control.send({"stop": True})
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.control.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts targets for one test."""
    running: list[Served] = []

    def start(name: str, **knobs: Any) -> Served:
        running.append(Served(name, **knobs))
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.stop()


@pytest.fixture(scope="session")
def served_class() -> type[Served]:
    """For fixtures of a wider scope than a test."""
    return Served


@pytest.fixture(scope="session")
def batched() -> Iterator[Served]:
    """`batched` with the real model; a test that turns knobs turns them back."""
    served = Served("batched", batch_size=64)
    yield served
    served.stop()


@pytest.fixture(scope="session")
def threaded() -> Iterator[Served]:
    served = Served("threaded")
    yield served
    served.stop()


@pytest.fixture
def meta() -> BankMeta:
    """A small model on the wire: 3 inputs, 2 outputs."""
    return BankMeta(model="tiny", input_shape=(3,), output_shape=(2,))


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(name="tiny")
