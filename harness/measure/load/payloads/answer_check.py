"""Looks whether responses that are not compared with expected ones hold an answer at all."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from harness.measure.load.payloads.response_check import MAX_VARIANT_BYTES, PLAUSIBLE, SEEN, no_answer
from harness.wire.codec import WireError

if TYPE_CHECKING:
    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.wire.codec import Codec

LOOK_SHARE = 0.002  # of the responses of a known kind: a look may take 10 us
MARK = 2  # the byte of a body that with its length is its kind: in JSON it begins the first name


class AnswerCheck:
    """Looks into the first response to each payload, the first of each kind, and a seeded 0.2 % of the others.

    A response that equals, byte for byte, one that was looked into for the same payload needs no look. Once a response
    held no answer, all of its length are looked into.
    """

    def __init__(self, codec: Codec, payloads: int, seed: int) -> None:
        self._codec = codec
        self._seen: list[bytes | None] = [None] * payloads
        self._room_bytes = MAX_VARIANT_BYTES
        self._draw = Random(seed).random  # noqa: S311  (which responses are sampled is no secret)
        self._sizes: set[int] = set()  # lengths of responses that held an answer
        self._doubtful: set[int] = set()  # lengths of responses that held none
        self._marks = bytearray(256)  # 1 for each byte at MARK of a response that held an answer
        self.check = self._quick_check()

    def _quick_check(self) -> Check:
        """A function instead of a method: it runs once for each response, and local names are found sooner."""
        seen, sizes, marks, draw = self._seen, self._sizes, self._marks, self._draw

        def check(payload: int, body: bytes) -> CheckResult:
            known = seen[payload]
            if body == known:
                return SEEN
            if known is not None and len(body) in sizes and marks[body[MARK]] and draw() >= LOOK_SHARE:
                return PLAUSIBLE
            return self._look(payload, body)

        return check

    def _look(self, payload: int, body: bytes) -> CheckResult:
        size = len(body)
        try:
            self._codec.require_answer(body)
        except WireError as error:
            self._doubtful.add(size)
            self._sizes.discard(size)
            return no_answer(str(error))
        if size > MARK and size not in self._doubtful:
            self._sizes.add(size)
            self._marks[body[MARK]] = 1
        if self._seen[payload] is None:
            keeps = size <= self._room_bytes
            self._seen[payload] = body if keeps else b""
            self._room_bytes -= size if keeps else 0
        return PLAUSIBLE
