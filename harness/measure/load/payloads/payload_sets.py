"""The payloads of a load: one set for each request class, numbered through, drawn by the weights of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.measure.load.payloads.answer_check import AnswerCheck
from harness.measure.load.payloads.expectation_check import ExpectationCheck
from harness.measure.load.payloads.request_classes import places_of
from harness.measure.load.payloads.response_check import Checker, unchecked
from harness.record.rows import ABSENT
from harness.wire.codec import HttpCodec
from harness.wire.own.expectation import SUCCESSES
from harness.wire.tolerance import allows_neighbours, allows_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from harness.measure.load.payloads.request_classes import RequestSet
    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare
    from harness.plan.target_spec import ClientSide
    from harness.wire.codec import Codec
    from harness.wire.own.expectation import Expectation
    from harness.wire.payload_bank import Bank
    from harness.wire.tolerance import Tolerance

DRAWN_AT_ONCE = 4096
NOTHING: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class PayloadSet:
    """The payloads of one request class, and how responses to them are read and checked."""

    share: ClassShare
    codec: Codec
    bank: Bank
    check: str
    client: ClientSide | None = None  # client-side preprocessing of an item
    expectation: Expectation | None = None  # the user's own conditions on responses

    def requests(self) -> list[bytes]:
        """Every payload as a request."""
        return [self.preprocessed(number)[0] for number in range(len(self.bank.inputs))]

    def preprocessed(self, number: int) -> tuple[bytes, dict[str, int]]:
        """A payload as a request, and the duration of each preprocessing step in ns."""
        item, spent_ns = self.bank.inputs[number], NOTHING
        if self.client is not None:
            item, spent_ns = self.client(item)
        return self.codec.encode(item), spent_ns

    def labels(self) -> list[int]:
        """The true label of every payload, or ABSENT."""
        labels: list[int] = self.bank.labels.tolist()
        return labels or [ABSENT] * len(self.bank.inputs)


class ResponseReader(NamedTuple):
    """Checks responses by payload number, and describes those that are no success."""

    check: Check
    describe: Callable[[int, bytes], str]  # of status and body
    statuses: Container[int] = SUCCESSES  # of responses that are checked; any other is a failure
    right_statuses: Container[int] = ()  # among these: of responses that are right without a look at the body


def response_reader(sets: Sequence[PayloadSet], seed: int) -> ResponseReader:
    """The reader for all classes, which speak one protocol."""
    if not sets:
        return ResponseReader(unchecked, HttpCodec().describe)
    first, reader = sets[0], ResponseReader(payload_check(sets, seed), sets[0].codec.describe)
    if first.expectation is None:
        return reader
    compares = first.check == "off" or len(first.bank.expected)
    return reader._replace(
        statuses=first.expectation.statuses, right_statuses=() if compares else first.expectation.right_by_status
    )


def payload_check(sets: Sequence[PayloadSet], seed: int) -> Check:
    """A check of each response against the bank of its payload's class."""
    return check_by_class([_check_of(each, seed) for each in sets], sets) if sets else unchecked


def check_by_class(checks: Sequence[Check], sets: Sequence[RequestSet]) -> Check:
    """A check of each response by that of its payload's class."""
    if len(checks) == 1:
        return checks[0]
    of_payload = [(checks[number], payload) for number, payload, _ in places_of(sets)]

    def check(payload: int, body: bytes) -> CheckResult:
        of_class, within = of_payload[payload]
        return of_class(within, body)

    return check


def _check_of(payloads: PayloadSet, seed: int) -> Check:
    if payloads.check == "off":
        return AnswerCheck(payloads.codec, len(payloads.bank.inputs), seed).check
    known = Checker(payloads.codec, payloads.bank, payloads.check, seed).check if len(payloads.bank.expected) else None
    if payloads.expectation is None:
        return known or AnswerCheck(payloads.codec, len(payloads.bank.inputs), seed).check
    checked = ExpectationCheck(payloads.expectation, payloads.bank, payloads.codec, payloads.check, seed)
    return checked.followed_by(known) if known else checked.check


class Leniency(NamedTuple):
    """The widest tolerance of the classes whose responses are compared, and what passes of the worst of them."""

    tolerance: Tolerance | None  # None: none are compared, and neither share is known
    zeros_pass: float | None
    neighbours_pass: float | None


def leniency_of(sets: Sequence[object]) -> Leniency:
    """How lenient the comparison with expected responses is."""
    compared = [
        each for each in sets if isinstance(each, PayloadSet) and each.check != "off" and each.bank.expected.size
    ]
    zeros, neighbours = (
        max((share(each.bank.expected, each.bank.meta.allowed) or 0.0 for each in compared), default=None)
        for share in (allows_zeros, allows_neighbours)
    )
    return Leniency(max((each.bank.meta.allowed for each in compared), default=None), zeros, neighbours)


def mixed_order(sets: Sequence[PayloadSet], settings: TrialLoad) -> Iterator[int]:
    """Endless payload numbers: the class is drawn by weight, its payloads come in their own seeded order."""
    counts = [len(each.bank.inputs) for each in sets]
    seed, worker = settings.seed, settings.worker
    orders = [payload_order(count, seed, worker, settings.skew) for count in counts]
    return orders[0] if len(sets) == 1 else _mixed(sets, orders, np.random.default_rng([seed, worker, len(sets)]))


def _mixed(sets: Sequence[PayloadSet], orders: Sequence[Iterator[int]], rng: np.random.Generator) -> Iterator[int]:
    counts = [len(each.bank.inputs) for each in sets]
    starts = [0, *accumulate(counts)]
    weights = np.array([each.share.weight for each in sets])
    while True:
        for number in rng.choice(len(sets), size=DRAWN_AT_ONCE, p=weights / weights.sum()).tolist():
            yield starts[number] + next(orders[number])


def payload_order(count: int, seed: int, worker: int = 0, skew: float = 0.0) -> Iterator[int]:
    """Endless payload numbers below `count`, in another order for each worker.

    Without skew every payload comes once in a random order, then again in another. With skew payloads are drawn by
    Zipf's law: the payload of rank r with a probability proportional to r^-skew. All workers use the same ranks.
    """
    return chain.from_iterable(_payload_blocks(count, seed, worker, skew))  # in C: one call for each request


def _payload_blocks(count: int, seed: int, worker: int, skew: float) -> Iterator[list[int]]:
    rng = np.random.default_rng([seed, worker])
    if not skew:
        while True:
            yield rng.permutation(count).tolist()
    ranked = np.random.default_rng(seed).permutation(count)
    weights = np.arange(1, count + 1, dtype=np.float64) ** -skew
    while True:
        yield ranked[rng.choice(count, DRAWN_AT_ONCE, p=weights / weights.sum())].tolist()
