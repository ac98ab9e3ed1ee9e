"""A model's offline predictions: plain Keras on items preprocessed one by one. Responses are checked against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items
    from targets.preprocessing.pipeline import Pipeline

ROWS_PER_CALL = 256
SMALLEST = 1e-7  # the lower bound that Keras, too, puts under a probability before the logarithm


def offline_predictions(model: keras.Model, pipeline: Pipeline, items: Items) -> NDArray[np.float32]:
    """Outputs (n, *output_shape) for raw items. With several views an output is the mean over them."""
    views = pipeline.views.count
    ready = pipeline.prepare(items)
    if not isinstance(ready, tuple):
        parts = [model(ready[start : start + ROWS_PER_CALL], training=False).numpy() for start in _starts(len(ready))]
        outputs = np.concatenate(parts)
        mean: NDArray[np.float32] = outputs.reshape(-1, views, *outputs.shape[1:]).mean(axis=1)
        return mean
    singles = [model(item if views > 1 else item[None], training=False).numpy().mean(axis=0) for item in ready]
    return np.stack(singles)


def evaluate(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """(mean cross-entropy, accuracy) of class probabilities (n, classes) against `labels` (n,)."""
    of_label = outputs[np.arange(len(labels)), labels]
    loss = -np.log(np.clip(of_label.astype(np.float64), SMALLEST, 1.0)).mean()
    return float(loss), float((outputs.argmax(axis=1) == labels).mean())


def _starts(count: int) -> range:
    return range(0, count, ROWS_PER_CALL)
