"""From logits to the next token of each sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as Several

    from numpy.typing import NDArray

    from targets.generation.sequence import Sequence


def next_tokens(logits: NDArray[np.float32], sequences: Several[Sequence], end: int) -> list[int]:
    """The next token of each sequence from its logits (sequences, vocabulary), which are changed.

    Greedy where the temperature is 0. Otherwise drawn by the Gumbel maximum, seeded by the sequence's own seed and
    the place of the token, so that a draw does not depend on what else is in the batch.
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
