"""How much of a model's time each stage has."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.judge.simulation.balance import balance

if TYPE_CHECKING:
    from collections.abc import Sequence


def stage_shares(pieces_ms: Sequence[float], stages: int) -> tuple[float, ...]:
    """Each stage's part of the whole time, cut as the target cuts; equal parts where the pieces are not known."""
    if len(pieces_ms) < stages or sum(pieces_ms) <= 0:
        return tuple(1 / stages for _ in range(stages))
    ends = (0, *balance(pieces_ms, stages))
    return tuple(sum(pieces_ms[start:end]) / sum(pieces_ms) for start, end in itertools.pairwise(ends))
