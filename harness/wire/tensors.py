"""Arrays as tensors of a datatype: their values as JSON or as bytes, and which values the datatype cannot hold.

BYTES (texts of any length) and BF16 (the upper half of an FP32) are datatypes that NumPy does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.wire.datatypes import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES, BF16 = "BYTES", "BF16"
_QUIET_NAN = 0x7FC0


def datatype_of(values: NDArray[Any]) -> str:
    """The datatype that has the array's own dtype. Raises UserError for a dtype that no tensor has."""
    if values.dtype.kind in "SU":
        return BYTES
    found = [name for name, dtype in DTYPES.items() if values.dtype.newbyteorder("<") == np.dtype(dtype)]
    if not found:
        raise UserError(f"{values.dtype} is no datatype of a tensor; give numbers or texts", "payloads")
    return found[0]


EXACT_BELOW = 2**53  # whole numbers that float64 holds


def held(values: NDArray[Any], datatype: str) -> NDArray[Any]:
    """`values` in the dtype of `datatype` (BF16: float32). Floating-point numbers are rounded to it.

    Raises UserError that names the first value which the datatype cannot hold: a fraction or NaN where it holds whole
    numbers, a number outside its range, a whole number that it would round, a text in place of a number.
    """
    if datatype == BYTES or values.dtype.kind not in "biuf":
        if datatype != BYTES or values.dtype.kind not in "SU":
            raise _does_not_fit(values.reshape(-1)[0], datatype)
        return values
    dtype = np.dtype("<f4" if datatype == BF16 else DTYPES[datatype])
    if values.dtype == dtype:
        return values
    with np.errstate(all="ignore"):
        converted = values.astype(dtype)
        if values.dtype.kind == dtype.kind == "f":
            lost = np.isfinite(values) & ~np.isfinite(converted)
        else:
            lost = (converted.astype(values.dtype) != values) | ((values < 0) != (converted < 0))
    if lost.any():
        raise _does_not_fit(values[lost][0], datatype)
    return converted


def json_values(values: NDArray[Any], datatype: str) -> Any:
    """What JSON writes for `values`: nested lists of texts, or an array of numbers. Raises UserError for NaN."""
    if datatype == BYTES:
        try:
            return np.vectorize(_text, otypes=[object])(values).tolist()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{error.object!r} is no UTF-8 text, which JSON would need; add --protocol http-binary", "payloads"
            ) from error
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        wrong = values[~np.isfinite(values)].reshape(-1)[0]
        raise UserError(f"{wrong} is no number in JSON; take it out, or add --protocol http-binary", "payloads")
    if datatype == BF16:
        return ((_bf16_bits(values).astype("<u4")) << 16).view("<f4")
    return values


def tensor_bytes(values: NDArray[Any], datatype: str) -> bytes:
    """The bytes of a tensor, row-major and little-endian; before each text its length in four bytes."""
    if datatype == BYTES:
        texts = [text.encode() if isinstance(text, str) else bytes(text) for text in values.reshape(-1).tolist()]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return (_bf16_bits(values) if datatype == BF16 else values).tobytes()


def holds_text(raw: bytes) -> bool:
    """Whether one of the texts in the bytes of a tensor is not empty: then its length is not zero."""
    return bool(raw.strip(b"\0"))


def numbers_of(raw: bytes, datatype: str) -> NDArray[np.float64]:
    """The numbers (n,) in the bytes of a tensor, as `comparable`. Raises KeyError for a datatype that is no number."""
    if datatype == BF16:
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    return comparable(np.frombuffer(raw, DTYPES[datatype]))


def comparable(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as float64; whole ones as they are, where float64 would take different ones for equal."""
    numbers = values.astype(np.float64)
    exact = values.dtype.kind in "iu" and values.dtype.itemsize == numbers.dtype.itemsize
    return values if exact and (np.abs(numbers) >= EXACT_BELOW).any() else numbers


def _bf16_bits(values: NDArray[Any]) -> NDArray[np.uint16]:
    """The nearest BF16 of each float32, ties to even, as 16 bits."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    rounded: NDArray[np.uint16] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.where(np.isnan(values), np.uint16(_QUIET_NAN), rounded)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _does_not_fit(value: Any, datatype: str) -> UserError:
    bounds = ""
    if datatype in DTYPES and np.dtype(DTYPES[datatype]).kind in "iu":
        limits = np.iinfo(DTYPES[datatype])
        bounds = f" (whole numbers from {limits.min} to {limits.max})"
    return UserError(
        f"{value.item()!r} does not fit {datatype}{bounds}, which the model takes; nothing is rounded or cut for you",
        "payloads",
    )
