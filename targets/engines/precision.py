"""The number formats in which an engine can compute. Importing this is cheap."""

from __future__ import annotations

FLOAT32 = "float32"
FLOAT16 = "float16"
BFLOAT16 = "bfloat16"
INT8 = "int8"

# The tolerance between two outputs of one engine for the same row, in units of the model's own tolerance: other batch
# sizes sum in another order, and some int8 kernels scale by the largest activation of the whole batch.
TOLERANCE_FACTOR = {FLOAT32: 1.0, FLOAT16: 5.0, BFLOAT16: 20.0, INT8: 50.0}
PRECISIONS = tuple(TOLERANCE_FACTOR)
