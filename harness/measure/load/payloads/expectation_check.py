"""Checks responses by the user's own conditions."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import orjson

from harness.measure.load.payloads.response_check import (
    MAX_VARIANT_BYTES,
    PLAUSIBLE,
    RIGHT,
    SAMPLE_SHARE,
    NoAnswer,
    WrongAnswer,
)
from harness.wire.failure_text import failure_in

if TYPE_CHECKING:
    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.wire.own.expectation import Expectation
    from harness.wire.payload_bank import Bank


class ExpectationCheck:
    """Checks responses by an expectation, and after that as `then` does, where there is one.

    `all` checks every response; one that equals, byte for byte, the last good one to the same payload is good without
    another look. `sample` checks the first of each payload and a seeded 5 % of the others. A response that meets no
    condition because it reports a failure is an error, in the server's own words.
    """

    def __init__(self, expectation: Expectation, bank: Bank, mode: str, seed: int, then: Check | None = None) -> None:
        self._expectation = expectation
        self._beside = [orjson.loads(row) for row in bank.beside] or [{}] * len(bank.inputs)
        self._tolerance = bank.meta.allowed
        self._good: list[bytes | None] = [None] * len(bank.inputs)
        self._room_bytes = MAX_VARIANT_BYTES
        self._share = 1.0 if mode == "all" else SAMPLE_SHARE
        self._draw = Random(seed).random  # noqa: S311  (which responses are sampled is no secret)
        self._then = then

    def check(self, payload: int, body: bytes) -> CheckResult:
        """The result for the body of a response to `payload`."""
        known = self._good[payload]
        if self._then is None:
            if body == known:
                return RIGHT
            if known is not None and self._draw() >= self._share:
                return PLAUSIBLE
        failure = self._expectation.failure(body, self._beside[payload], self._tolerance)
        if failure:
            said = failure_in(body)
            return WrongAnswer.of(failure) if said is None else NoAnswer.of(said)
        if self._then is not None:
            return self._then(payload, body)
        self._keep(payload, body)
        return RIGHT

    def _keep(self, payload: int, body: bytes) -> None:
        self._room_bytes += len(self._good[payload] or b"") - len(body)
        self._good[payload] = body if self._room_bytes >= 0 else b""
        if self._room_bytes < 0:
            self._room_bytes += len(body)
