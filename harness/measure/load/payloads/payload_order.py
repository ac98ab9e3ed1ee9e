"""Which payload comes next: all equally often, or some far more often than others, as things are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAWN_AT_ONCE = 4096


def payload_order(count: int, seed: int, worker: int = 0, skew: float = 0.0) -> Iterator[int]:
    """Endless payload numbers below `count`; workers get orders of their own.

    Without skew every payload comes once, in a random order, then again in another. With it payloads are drawn by
    Zipf's law: the payload of rank r with a probability in proportion to r^-skew. All workers agree on the ranks.
    """
    rng = np.random.default_rng([seed, worker])
    if not skew:
        while True:
            yield from rng.permutation(count).tolist()
    ranked = np.random.default_rng(seed).permutation(count)
    weights = np.arange(1, count + 1, dtype=np.float64) ** -skew
    while True:
        yield from ranked[rng.choice(count, DRAWN_AT_ONCE, p=weights / weights.sum())].tolist()
