"""Occlusion: hide a part of the input and see what the predicted class loses (Zeiler and Fergus, 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Occlusion:
    """The input, flattened, is cut into `parts` of nearly the same size; each in turn is set to the baseline.

    Every value of a part gets the part's whole loss: output of the predicted class as it is, less the output with
    the part hidden.
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
        asked = np.concatenate([inputs.reshape(count, 1, values), variants], axis=1)
        outputs = self._predict(asked.reshape(-1, *inputs.shape[1:])).reshape(count, parts + 1, -1)
        chosen = outputs[:, 0].argmax(axis=1)
        of_class = outputs[np.arange(count), :, chosen]  # (n, parts + 1)
        losses = of_class[:, :1] - of_class[:, 1:]
        return np.ascontiguousarray(losses[:, part_of]).reshape(inputs.shape)


def part_of_value(values: int, parts: int) -> NDArray[np.int64]:
    """Which part each of `values` flattened values belongs to (values,); no more parts than values."""
    return np.arange(values) * min(parts, values) // values
