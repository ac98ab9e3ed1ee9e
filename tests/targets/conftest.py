"""Real target processes on real sockets; those that import TensorFlow are started once per session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from served_target import Served

from harness.record.model_card import ModelCard
from harness.wire.payload_bank import BankMeta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
