"""The payloads of a load: one set for each request class, numbered through, and drawn by the classes' weights."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.measure.load.payloads.payload_order import payload_order
from harness.measure.load.payloads.response_check import Checker, unchecked
from harness.record.rows import ABSENT
from harness.wire.codec import HttpCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.measure.load.payloads.request_classes import RequestSet
    from harness.measure.load.payloads.response_check import Check, Verdict
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare
    from harness.plan.target_spec import ClientSide
    from harness.wire.codec import Codec
    from harness.wire.payload_bank import Bank

_DRAWN_AT_ONCE = 4096
NOTHING: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class PayloadSet:
    """What one request class sends, and how its answers are read and checked."""

    share: ClassShare
    codec: Codec
    bank: Bank
    check: str
    client: ClientSide | None = None  # what is done to an item before it is sent

    def requests(self) -> list[bytes]:
        """Every payload as a request."""
        return [self.prepared(number)[0] for number in range(len(self.bank.inputs))]

    def prepared(self, number: int) -> tuple[bytes, dict[str, int]]:
        """A payload as a request, and what each step of preprocessing took, in ns."""
        item, spent_ns = self.bank.inputs[number], NOTHING
        if self.client is not None:
            item, spent_ns = self.client(item)
        return self.codec.encode(item), spent_ns

    def labels(self) -> list[int]:
        """Every payload's true class, or ABSENT."""
        labels: list[int] = self.bank.labels.tolist()
        return labels or [ABSENT] * len(self.bank.inputs)


class Reading(NamedTuple):
    """How the answers to a load's payloads are read."""

    check: Check
    describe: Callable[[int, bytes], str]  # of an answer that is no success


def reading_of(sets: Sequence[PayloadSet], seed: int) -> Reading:
    """All classes together; they speak one protocol."""
    return Reading(payload_check(sets, seed), sets[0].codec.describe if sets else HttpCodec().describe)


def places_of(sets: Sequence[RequestSet]) -> list[tuple[int, int, int]]:
    """For each number of the load's payloads: its request class, its number within the class's bank, its label."""
    return [(number, *numbered) for number, each in enumerate(sets) for numbered in enumerate(each.labels())]


def payload_check(sets: Sequence[PayloadSet], seed: int) -> Check:
    """Checks an answer against the bank of its payload's class."""
    if not sets:
        return unchecked
    checks = [Checker(each.codec, each.bank, each.check, seed).check for each in sets]
    if len(checks) == 1:
        return checks[0]
    of_payload = [(checks[number], payload) for number, payload, _ in places_of(sets)]

    def check(payload: int, body: bytes) -> Verdict:
        of_class, within = of_payload[payload]
        return of_class(within, body)

    return check


def mixed_order(sets: Sequence[PayloadSet], settings: TrialLoad) -> Iterator[int]:
    """Endless payload numbers: the class is drawn by weight, its payloads come in their own seeded order."""
    counts = [len(each.bank.inputs) for each in sets]
    seed, worker = settings.seed, settings.worker
    orders = [payload_order(count, seed, worker, settings.skew) for count in counts]
    if len(sets) == 1:
        yield from orders[0]
    starts = [0, *accumulate(counts)]
    weights = np.array([each.share.weight for each in sets])
    rng = np.random.default_rng([seed, worker, len(sets)])
    while True:
        for number in rng.choice(len(sets), size=_DRAWN_AT_ONCE, p=weights / weights.sum()).tolist():
            yield starts[number] + next(orders[number])
