"""Explains by occlusion: hides a part of the input and measures the loss of the class (Zeiler and Fergus, 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Occlusion:
    """Divides the flattened input into `parts` of nearly the same size and sets each in turn to the baseline.

    The attribution of every value in a part is the output of the predicted class minus its output with the part hidden.
    """

    def __init__(self, predict: Predict, parts: int) -> None:
        self.steps = parts
        self._predict = predict

    def explain(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Attributions (n, *input_shape) of inputs (n, *input_shape)."""
        count, values = len(inputs), inputs[0].size
        part_of = part_of_value(values, self.steps)
        parts = int(part_of[-1]) + 1
        hidden = part_of == np.arange(parts)[:, None]  # (parts, values)
        variants = np.where(hidden, np.float32(0), inputs.reshape(count, 1, values))
        rows = np.concatenate([inputs.reshape(count, 1, values), variants], axis=1)
        outputs = self._predict(rows.reshape(-1, *inputs.shape[1:])).reshape(count, parts + 1, -1)
        chosen = outputs[:, 0].argmax(axis=1)
        of_class = outputs[np.arange(count), :, chosen]  # (n, parts + 1)
        losses = of_class[:, :1] - of_class[:, 1:]
        return np.ascontiguousarray(losses[:, part_of]).reshape(inputs.shape)


def part_of_value(values: int, parts: int) -> NDArray[np.int64]:
    """The part of each flattened value (values,); there are at most as many parts as values."""
    return np.arange(values) * min(parts, values) // values
