"""Samples the next token of each sequence from its logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as Several

    from numpy.typing import NDArray

    from targets.generation.sequence import Sequence


def next_tokens(logits: NDArray[np.float32], sequences: Several[Sequence], end: int) -> list[int]:
    """Sample the next token of each sequence from its logits (sequences, vocabulary), which are modified.

    Greedy where the temperature is 0, otherwise by the Gumbel-max trick. The draw is seeded by the sequence's seed and
    the position of the token, so that it does not depend on the rest of the batch.
    """
    for row in [row for row, sequence in enumerate(sequences) if sequence.ignore_end]:
        logits[row, end] = -np.inf
    for row in _warm(sequences):
        sequence = sequences[row]
        noise = np.random.default_rng([sequence.seed, len(sequence.tokens)]).gumbel(size=logits.shape[1])
        logits[row] = logits[row] / sequence.temperature + noise
    chosen: list[int] = logits.argmax(axis=-1).tolist()
    return chosen


def _warm(sequences: Several[Sequence]) -> Iterable[int]:
    return (row for row, sequence in enumerate(sequences) if sequence.temperature > 0)
