"""What a calibration found."""

from __future__ import annotations

import msgspec

from harness.calibration.envelope import Envelope
from harness.calibration.figures import Claim

OURS = "sweepspot"


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All claims, our own first, and the envelope; None where `null` could not be driven."""

    claims: tuple[Claim, ...]
    envelope: Envelope | None
    failures: tuple[str, ...] = ()  # exercises that could not be run, in words
    absent: tuple[str, ...] = ()  # generators asked for that are not installed

    @property
    def right(self) -> bool:
        """Whether all of ours ran and were right. What is not said is not right: ours must say everything."""
        ours = [claim for claim in self.claims if claim.generator == OURS]
        return bool(ours) and not self.failures and all(claim.right for claim in ours)
