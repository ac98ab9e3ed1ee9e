"""How far a right response may be from the expected one: relative to the expected value, and absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tolerance(NamedTuple):
    """|response - expected| <= absolute + relative x |expected|, for every number."""

    relative: float
    absolute: float

    def __str__(self) -> str:
        return f"{self.relative:g} relative, {self.absolute:g} absolute"


# By the datatype in which a model computes; about a hundred roundings of it. Whole numbers are compared exactly.
OF_DATATYPE = {
    "FP64": Tolerance(1e-9, 1e-12),
    "FP32": Tolerance(1e-3, 1e-6),
    "FP16": Tolerance(1e-2, 1e-4),
    "BF16": Tolerance(5e-2, 1e-3),
}
EXACT = Tolerance(0.0, 0.0)


def tolerance_for(expected_datatype: str, model_datatype: str) -> Tolerance:
    """The tolerance of the less precise of two datatypes: of the expected values, and of the model's input."""
    return max(OF_DATATYPE.get(name, EXACT) for name in (expected_datatype, model_datatype))


def allows_zeros(expected: NDArray[Any], tolerance: Tolerance) -> float | None:
    """The share of payloads (n, ...) whose expected values are not all 0 and yet so small that zeros would pass.

    None where there are no expected values.
    """
    import numpy as np

    if not expected.size:
        return None
    values = np.abs(expected.reshape(len(expected), -1).astype(np.float64))
    passes = (values <= tolerance.absolute + tolerance.relative * values).all(axis=1)
    return float((passes & values.any(axis=1)).mean())


def allows_neighbours(expected: NDArray[Any], tolerance: Tolerance) -> float | None:
    """The share of payloads (n, ...) of which each expected value would be as right if it were 1 higher.

    0 where a value is no whole number: only whole numbers, such as labels, are wrong by 1. None where there are none.
    """
    import numpy as np

    if not expected.size:
        return None
    values = np.abs(expected.reshape(len(expected), -1).astype(np.float64))
    if (values % 1.0).any():
        return 0.0
    return float((tolerance.absolute + tolerance.relative * values >= 1.0).all(axis=1).mean())
