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
    no_answer,
    wrong_answer,
)
from harness.wire.codec import WireError
from harness.wire.failure_text import failure_in, reported_in

if TYPE_CHECKING:
    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.wire.codec import Codec
    from harness.wire.own.expectation import Expectation
    from harness.wire.payload_bank import Bank


MOST_EXAMPLES = 100


class ExpectationCheck:
    """Checks responses by an expectation.

    `all` checks every response; one that equals, byte for byte, the last good one to the same payload is good without
    another look. `sample` checks the first of each payload and a seeded 5 % of the others. A response that meets no
    condition because it reports a failure is an error, in the server's own words; so is one that reports a failure
    where all conditions are on the status (a status of no success is right by itself: `right_by_status`).
    """

    def __init__(self, expectation: Expectation, bank: Bank, codec: Codec, mode: str, seed: int) -> None:
        self._expectation = expectation
        self._reports = not expectation.conditions
        self._beside = [orjson.loads(row) for row in bank.beside] or [{}] * len(bank.inputs)
        self._tolerance = bank.meta.allowed
        self._readable = codec.readable
        self._good: list[bytes | None] = [None] * len(bank.inputs)
        self._room_bytes = MAX_VARIANT_BYTES
        self._share = 1.0 if mode == "all" else SAMPLE_SHARE
        self._worded_as: dict[str, str] = {}
        self._draw = Random(seed).random  # noqa: S311  (which responses are sampled is no secret)

    def check(self, payload: int, body: bytes) -> CheckResult:
        """The result for the body of a response to `payload`."""
        known = self._good[payload]
        if body == known:
            return RIGHT
        if known is not None and self._draw() >= self._share:
            return PLAUSIBLE
        result = self._compare(payload, body)
        if result is RIGHT:
            self._keep(payload, body)
        return result

    def followed_by(self, check: Check) -> Check:
        """A check that compares responses by `check` where they meet the expectation."""

        def both(payload: int, body: bytes) -> CheckResult:
            result = self._compare(payload, body)
            return check(payload, body) if result is RIGHT else result

        return both

    def _compare(self, payload: int, body: bytes) -> CheckResult:
        try:
            text = self._readable(body)
        except WireError as error:
            return no_answer(str(error))
        failure = self._expectation.failure(text, self._beside[payload], self._tolerance)
        if not failure:
            said = reported_in(text) if self._reports else None
            return RIGHT if said is None else no_answer(said)
        said = failure_in(text)
        return wrong_answer(self._worded(failure, payload, text)) if said is None else no_answer(said)

    def _worded(self, failure: str, payload: int, text: bytes) -> str:
        """`failure` with the first value that did not meet it: one text per condition, whatever follows."""
        if failure not in self._worded_as and len(self._worded_as) < MOST_EXAMPLES:
            example = self._expectation.example(failure, text, self._beside[payload], self._tolerance)
            self._worded_as[failure] = f"{failure} (such as {example})" if example else failure
        return self._worded_as.get(failure, failure)

    def _keep(self, payload: int, body: bytes) -> None:
        self._room_bytes += len(self._good[payload] or b"") - len(body)
        self._good[payload] = body if self._room_bytes >= 0 else b""
        if self._room_bytes < 0:
            self._room_bytes += len(body)
