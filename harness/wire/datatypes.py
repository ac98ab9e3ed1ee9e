"""The numeric datatypes of the Open Inference Protocol that NumPy has too, and their names elsewhere; little-endian."""

from __future__ import annotations

from typing import NamedTuple


class Datatype(NamedTuple):
    """The names of one datatype in NumPy, `struct`, TensorFlow and gRPC."""

    numpy: str
    struct: str  # format character, with "<"
    tensorflow: str  # of `DataType`, as TensorFlow Serving's metadata writes it
    grpc: str | None  # field of `InferTensorContents` for numbers that are not sent as bytes


DATATYPES = {
    "FP16": Datatype("<f2", "e", "DT_HALF", None),
    "FP32": Datatype("<f4", "f", "DT_FLOAT", "fp32_contents"),
    "FP64": Datatype("<f8", "d", "DT_DOUBLE", "fp64_contents"),
    "INT8": Datatype("i1", "b", "DT_INT8", "int_contents"),
    "INT16": Datatype("<i2", "h", "DT_INT16", "int_contents"),
    "INT32": Datatype("<i4", "i", "DT_INT32", "int_contents"),
    "INT64": Datatype("<i8", "q", "DT_INT64", "int64_contents"),
    "UINT8": Datatype("u1", "B", "DT_UINT8", "uint_contents"),
    "UINT16": Datatype("<u2", "H", "DT_UINT16", "uint_contents"),
    "UINT32": Datatype("<u4", "I", "DT_UINT32", "uint_contents"),
    "UINT64": Datatype("<u8", "Q", "DT_UINT64", "uint64_contents"),
    "BOOL": Datatype("?", "?", "DT_BOOL", "bool_contents"),
}
DTYPES = {name: datatype.numpy for name, datatype in DATATYPES.items()}
