"""Combines the epochs of several seeds into curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.training.training_metrics import Curve, Curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.training.epochs import Epoch

MOST_EPOCHS = 200  # points of a curve; a longer fit is shown at even steps


def finite(epoch: Epoch) -> bool:
    """Whether the losses after this epoch are numbers."""
    return bool(np.isfinite(epoch.train_loss) and np.isfinite(epoch.validation_loss))


def curves(fits: Sequence[Sequence[Epoch]]) -> Curves:
    """The curves of one point, of the epochs that all `fits` have with finite losses."""
    known = [[epoch for epoch in fit if finite(epoch)] for fit in fits]
    count = min((len(fit) for fit in known), default=0)
    shown = np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_EPOCHS)).round().astype(int)).tolist()
    return Curves(
        **{
            name: _curve(
                [[float(getattr(fit[at], name)) for at in shown] for fit in known], [int(at) + 1 for at in shown]
            )
            for name in Curves.__struct_fields__
        }
    )


def _curve(values: Sequence[Sequence[float]], epochs: Sequence[int]) -> Curve:
    if not epochs:
        return Curve()
    by_seed = np.asarray(values)
    return Curve(
        epochs=tuple(epochs),
        values=tuple(by_seed.mean(axis=0).tolist()),
        low=tuple(by_seed.min(axis=0).tolist()),
        high=tuple(by_seed.max(axis=0).tolist()),
    )
