"""A model's offline answers: plain Keras on items prepared one by one. Served answers are held against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items
    from targets.preprocessing.pipeline import Pipeline

ROWS_PER_CALL = 256
SMALLEST = 1e-7  # what Keras, too, takes the logarithm of at the least


def offline_answers(model: keras.Model, pipeline: Pipeline, items: Items) -> NDArray[np.float32]:
    """Answers (n, *output_shape) to raw items; with several views the mean of the answers to them."""
    views = pipeline.views.count
    ready = pipeline.prepare(items)
    if not isinstance(ready, tuple):
        parts = [model(ready[start : start + ROWS_PER_CALL], training=False).numpy() for start in _starts(len(ready))]
        answers = np.concatenate(parts)
        mean: NDArray[np.float32] = answers.reshape(-1, views, *answers.shape[1:]).mean(axis=1)
        return mean
    singles = [model(item if views > 1 else item[None], training=False).numpy().mean(axis=0) for item in ready]
    return np.stack(singles)


def evaluate(answers: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """(mean cross-entropy, accuracy) of class probabilities (n, classes)."""
    right = answers[np.arange(len(labels)), labels]
    loss = -np.log(np.clip(right.astype(np.float64), SMALLEST, 1.0)).mean()
    return float(loss), float((answers.argmax(axis=1) == labels).mean())


def _starts(count: int) -> range:
    return range(0, count, ROWS_PER_CALL)
