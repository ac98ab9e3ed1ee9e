"""Is an answer right? Compared with the model's own offline answer, within the bank's tolerance."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from harness.record.rows import ABSENT, Outcome
from harness.wire.codec import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.wire.codec import Codec
    from harness.wire.payload_bank import Bank

    Verdict = tuple[int, int, int]  # outcome, 1 where the whole answer was compared, the class it predicts or ABSENT
    Check = Callable[[int, bytes], Verdict]

MODES = ("all", "sample", "off")
SAMPLE_SHARE = 0.05
MAX_VARIANTS = 16  # byte forms of a right answer kept per payload: a batch of another size may round differently
MAX_VARIANT_BYTES = 64 << 20

RIGHT = (int(Outcome.OK), 1, ABSENT)
WRONG = (int(Outcome.WRONG), 1, ABSENT)
PLAUSIBLE = (int(Outcome.OK), 0, ABSENT)


class Checker:
    """Compares answers of one codec with one bank.

    `all` compares every answer. One that is byte for byte the same as an answer already found right for that
    payload is right without decoding, which makes `all` cheap. `sample` compares a seeded 5 % and the first of
    each payload; the others pass if they have a length that a right answer to that payload had, and are compared
    otherwise. `off` compares none. Where payloads have labels, the class that an answer predicts is said as well.
    """

    def __init__(self, codec: Codec, bank: Bank, mode: str, seed: int) -> None:
        self._codec = codec
        self._expected = bank.expected.reshape(len(bank.expected), math.prod(bank.expected.shape[1:])).astype(
            np.float64
        )
        self._tolerance = bank.meta.tolerance
        self._classifies = bank.labels.size > 0 and bank.meta.verb == "predict"
        self._usual: list[bytes | None] = [None for _ in bank.inputs]  # the first right answer to each payload
        self._usual_verdicts = [RIGHT for _ in bank.inputs]
        self._right: list[dict[bytes, Verdict]] = [{} for _ in bank.inputs]
        self._lengths: list[set[int]] = [set() for _ in bank.inputs]
        self._room_bytes = MAX_VARIANT_BYTES
        self._draw = Random(seed).random  # noqa: S311  (which answers to look at is no secret)
        self.check: Check = {"all": self._all, "sample": self._sample, "off": unchecked}[mode]

    def _all(self, payload: int, body: bytes) -> Verdict:
        if body == self._usual[payload]:
            return self._usual_verdicts[payload]
        return self._right[payload].get(body) or self._compare(payload, body)

    def _sample(self, payload: int, body: bytes) -> Verdict:
        lengths = self._lengths[payload]
        if self._draw() >= SAMPLE_SHARE and len(body) in lengths:
            return PLAUSIBLE
        verdict = self._compare(payload, body)
        if verdict[0] == Outcome.OK:
            lengths.add(len(body))
        return verdict

    def _compare(self, payload: int, body: bytes) -> Verdict:
        expected = self._expected[payload]
        try:
            answer = averaged(self._codec.decode(body), expected.size)
        except WireError:
            return WRONG
        predicted = int(answer.argmax()) if self._classifies and answer.size == expected.size else ABSENT
        if not is_close(answer, expected, self._tolerance):
            return int(Outcome.WRONG), 1, predicted
        verdict = (int(Outcome.OK), 1, predicted)
        variants = self._right[payload]
        if len(variants) < MAX_VARIANTS and len(body) <= self._room_bytes:
            if not variants:
                self._usual[payload], self._usual_verdicts[payload] = body, verdict
            self._room_bytes -= len(body)
            variants[body] = verdict
        return verdict


def averaged(answer: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The mean of the rows of `count` numbers, where an answer has several (views of one item); else itself."""
    several = count and answer.size > count and answer.size % count == 0
    return answer.reshape(-1, count).mean(axis=0) if several else answer


def is_close(answer: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether both have as many numbers and none is off by more than `tolerance`; NaN never is."""
    return answer.shape == expected.shape and bool((np.abs(answer - expected) <= tolerance).all())


def unchecked(payload: int, body: bytes) -> Verdict:
    """Whatever comes is taken for right, and counted as not checked."""
    del payload, body
    return PLAUSIBLE
