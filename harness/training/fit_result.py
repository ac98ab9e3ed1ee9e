"""`fit.json`: the result of a fit, which the trainer writes at its end."""

from __future__ import annotations

import msgspec

from harness.plan.knobs import Setting
from harness.record.model_card import ModelCard


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A fit that came to its end. The test examples were looked at once, after the last epoch."""

    setting: Setting  # every knob that the trainer used, the model's own values included
    seed: int
    model: ModelCard  # `train_count`: the examples that were fitted; no test loss and accuracy where the fit diverged
    validation_count: int
    majority_share: float  # of the most frequent class among the test examples: what guessing it scores
    devices: tuple[str, ...]
