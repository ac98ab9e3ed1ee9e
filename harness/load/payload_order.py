"""Which payload comes next: every one once, in a seeded random order, then again in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


def payload_order(count: int, seed: int, worker: int = 0) -> Iterator[int]:
    """Endless permutations of range(count); workers get orders of their own."""
    rng = np.random.default_rng([seed, worker])
    while True:
        yield from rng.permutation(count).tolist()
