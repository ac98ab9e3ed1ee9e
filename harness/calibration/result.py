"""What a calibration found."""

from __future__ import annotations

import msgspec

from harness.calibration.claims import Claim
from harness.judge.findings import Verdict
from harness.record.machine.envelope import Envelope

OURS = "sweepspot"


class Exercised(msgspec.Struct, frozen=True, kw_only=True):
    """One exercise as we did it: what our own report would say about it, or why it could not be done.

    `verdict` None: nothing is claimed of it (`null`), or it failed.
    """

    name: str
    doc: str
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()  # kinds of the findings that took something away
    failure: str | None = None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All claims by exercise, our own before the others', and the envelope; None where `null` could not be driven."""

    exercises: tuple[Exercised, ...]
    claims: tuple[Claim, ...]
    envelope: Envelope | None
    peers: tuple[str, ...] = ()
    interrupted: bool = False  # not all was done
    complaints: tuple[str, ...] = ()  # peers that could not be run, in words

    @property
    def right(self) -> bool:
        """Whether all of ours ran and were right. A figure that ours does not report counts as wrong."""
        ours = [claim for claim in self.claims if claim.generator == OURS]
        failed = any(exercise.failure for exercise in self.exercises)
        return not (failed or self.interrupted) and all(claim.right for claim in ours)
