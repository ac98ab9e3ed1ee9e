"""How likely a setting can be served at all, from those that could not.

Whatever made a setting fail is one value of it, a number that is too high or too low, or two of these together. Each
such cause that the failed setting shows, and that no setting that was served shows, may be the one; the more failures
show a cause, the likelier it is. A setting is the likelier to fail, the more of these causes it shares with a failed
one. Of the chances by several failures the lowest is taken, since several often have one cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from harness.search.space import Codes, Floats, Space

PAIR = 0.2  # how likely two values together are the cause, next to one
EXPLAINS, MOST_EXPLAINED = 4.0, 8.0  # a cause is so many times as likely for each further failure that shows it
WITHOUT_REASON = 0.02  # chance of failing of a setting that shares no cause


class Feasibility:
    """What failures tell about the other settings of a space."""

    def __init__(self, space: Space) -> None:
        self._shown = _causes(space)

    def chance(self, served: Collection[int], failed: Collection[int], numbers: Codes) -> Floats:
        """The probability that each of the settings `numbers` can be served; 0 for those that failed."""
        shown = self._shown
        seen = shown[sorted(served)].astype(np.float64)
        together = seen.T @ seen > 0.0  # pairs of causes that a served setting has shown
        chance = np.full(len(numbers), 1.0 - WITHOUT_REASON)
        broken = shown[sorted(failed)].astype(np.float64)
        explains = broken.T @ broken  # how many failures show both of two causes
        for number in failed:
            held = np.flatnonzero(shown[number])
            weights = np.where(np.eye(len(held), dtype=bool), 1.0, PAIR / 2.0)
            weights *= EXPLAINS ** (explains[np.ix_(held, held)] - 1.0).clip(max=MOST_EXPLAINED)
            weights[together[np.ix_(held, held)]] = 0.0
            if weights.sum() > 0.0:
                shares = shown[np.ix_(numbers, held)].astype(np.float64)
                chance = np.minimum(chance, 1.0 - (shares @ weights * shares).sum(axis=1) / weights.sum())
        chance[np.isin(numbers, sorted(failed))] = 0.0
        return chance


def _causes(space: Space) -> NDArray[np.bool_]:
    """Which causes each setting shows, (settings, causes): that a knob has a value, or a number is as high or low."""
    columns = []
    for index, dimension in enumerate(space.dimensions):
        code = space.codes[:, index]
        last = len(dimension.values) - 1
        columns += [code == value for value in range(last + 1)]
        if dimension.places is not None:
            columns += [code >= value for value in range(1, last)] + [code <= value for value in range(1, last)]
    return np.array(columns).T
