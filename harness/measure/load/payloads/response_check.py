"""Compares responses with the model's own offline predictions, within the bank's tolerance."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.record.rows import ABSENT, Outcome
from harness.wire.codec import WireError
from harness.wire.failure_text import failure_in
from harness.wire.tensors import comparable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.wire.codec import Codec
    from harness.wire.payload_bank import Bank
    from harness.wire.tolerance import Tolerance

    Check = Callable[[int, bytes], "CheckResult"]  # of a payload's number and the body of a response

SAMPLE_SHARE = 0.05
MAX_VARIANTS = 16  # byte forms of a right response kept per payload: a batch of another size may round differently
MAX_VARIANT_BYTES = 64 << 20


class CheckResult(NamedTuple):
    """What is known of a response after its check."""

    outcome: int  # of `Outcome`
    compared: int  # 1 where the whole response was compared, else 0
    predicted: int  # the label it predicts, or ABSENT
    settled: bool = False  # each equal response to the same payload has the same result, which no draw decides

    @property
    def reason(self) -> str:
        """Why it is not good."""
        return "a wrong response"


class _ExplainedResult(CheckResult):
    """A result with a reason of its own."""

    why = ""

    @classmethod
    def of(cls, outcome: Outcome, compared: int, why: str) -> CheckResult:
        """A result that is not good, and why."""
        result = cls(int(outcome), compared, ABSENT)
        result.why = why
        return result

    @property
    def reason(self) -> str:
        """Why it is not good."""
        return self.why


def no_answer(said: str) -> CheckResult:
    """The result for a response that says this in place of an answer."""
    return _ExplainedResult.of(Outcome.ERROR, 0, f"no answer: {said}")


def wrong_answer(failure: str) -> CheckResult:
    """The result for a response that fails a condition so."""
    return _ExplainedResult.of(Outcome.WRONG, 1, f"a wrong response: {failure}")


RIGHT = CheckResult(int(Outcome.OK), 1, ABSENT, settled=True)
WRONG = CheckResult(int(Outcome.WRONG), 1, ABSENT)
PLAUSIBLE = CheckResult(int(Outcome.OK), 0, ABSENT)
SEEN = CheckResult(int(Outcome.OK), 0, ABSENT, settled=True)


class Checker:
    """Compares responses of one codec with one bank.

    `all` compares every response. One that equals, byte for byte, a response that was found right for the same payload
    is right without decoding, which makes `all` cheap. `sample` compares a seeded 5 % and the first of each payload;
    the others pass if they are as long as a right response to that payload was, and are compared otherwise. Where
    payloads have labels, the result holds the predicted label. A response that reports a failure is an error and not a
    wrong response.
    """

    def __init__(self, codec: Codec, bank: Bank, mode: str, seed: int) -> None:
        self._codec = codec
        self._expected = comparable(bank.expected.reshape(len(bank.expected), math.prod(bank.expected.shape[1:])))
        self._has_views = bank.meta.client is not None  # only clients that preprocess send several views of an item
        self._tolerance = bank.meta.allowed
        self._classifies = bank.labels.size > 0 and bank.meta.verb == "predict"
        self._usual: list[bytes | None] = [None for _ in bank.inputs]  # the first right response to each payload
        self._compares_all = mode == "all"
        self._usual_results = [RIGHT for _ in bank.inputs]
        self._right: list[dict[bytes, CheckResult]] = [{} for _ in bank.inputs]
        self._lengths: list[set[int]] = [set() for _ in bank.inputs]
        self._room_bytes = MAX_VARIANT_BYTES
        self._draw = Random(seed).random  # noqa: S311  (which responses are sampled is no secret)
        self.check: Check = {"all": self._all, "sample": self._sample}[mode]

    def _all(self, payload: int, body: bytes) -> CheckResult:
        if body == self._usual[payload]:
            return self._usual_results[payload]
        return self._right[payload].get(body) or self._compare(payload, body)

    def _sample(self, payload: int, body: bytes) -> CheckResult:
        lengths = self._lengths[payload]
        if self._draw() >= SAMPLE_SHARE and len(body) in lengths:
            return PLAUSIBLE
        result = self._compare(payload, body)
        if result.outcome == Outcome.OK:
            lengths.add(len(body))
        return result

    def _compare(self, payload: int, body: bytes) -> CheckResult:
        expected = self._expected[payload]
        try:
            output = self._codec.decode(body)
        except WireError:
            said = failure_in(body)
            return WRONG if said is None else no_answer(said)
        if self._has_views:
            output = averaged(output, expected.size)
        predicted = int(output.argmax()) if self._classifies and output.size == expected.size else ABSENT
        if not is_close(output, expected, self._tolerance):
            return CheckResult(int(Outcome.WRONG), 1, predicted)
        result = CheckResult(int(Outcome.OK), 1, predicted, settled=self._compares_all)
        variants = self._right[payload]
        if len(variants) < MAX_VARIANTS and len(body) <= self._room_bytes:
            if not variants:
                self._usual[payload], self._usual_results[payload] = body, result
            self._room_bytes -= len(body)
            variants[body] = result
        return result


def averaged(output: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The mean of the rows of `count` numbers, where an output has several (views of one item); else itself."""
    several = count and output.size > count and output.size % count == 0
    return output.reshape(-1, count).mean(axis=0) if several else output


def is_close(output: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> bool:
    """Whether both have one shape and no number differs by more than `tolerance`; NaN always differs.

    Whole numbers that float64 does not hold are equal or not.
    """
    if output.shape != expected.shape:
        return False
    if output.dtype.kind != "f" and expected.dtype.kind != "f":
        return bool(output.tolist() == expected.tolist())
    allowed = tolerance.absolute + tolerance.relative * np.abs(expected)
    return bool((np.abs(output - expected) <= allowed).all())


def unchecked(payload: int, body: bytes) -> CheckResult:
    """Accept any response, and count it as not compared."""
    del payload, body
    return PLAUSIBLE
