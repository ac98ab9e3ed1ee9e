"""Decodes inference requests from, and encodes responses to, gRPC messages of the Open Inference Protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.wire.datatypes import DATATYPES
from harness.wire.grpc.messages import message
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.inference import InferRequest
from targets.servers.protocols.open_inference import check_rows, timeout_of_us
from targets.servers.protocols.wire_model import OUTPUT_DATATYPE, VERSION

if TYPE_CHECKING:
    from targets.servers.protocols.inference import BatchOutputs
    from targets.servers.protocols.wire_model import WireModel


@dataclass(frozen=True, slots=True)
class GrpcForm:
    """The bytes of the output tensor; `GrpcServerCodec.encode` makes the message around them."""

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(no header lines, the rows as bytes)."""
        return b"", outputs.raw(start, stop)


RAW = GrpcForm()


class GrpcServerCodec:
    """Decodes requests and encodes responses for one model."""

    def __init__(self, model: WireModel) -> None:
        self._model = model
        self._response = message("ModelInferResponse")

    def decode(self, request: Any, max_rows: int) -> InferRequest:
        """Decode a `ModelInferRequest`. Raises ProtocolError."""
        self.check_model(request.model_name, request.model_version)
        meta = self._model.meta
        if len(request.inputs) != 1:
            raise ProtocolError(400, "inputs: needs exactly one tensor")
        tensor = request.inputs[0]
        if tensor.name != meta.input_name:
            raise ProtocolError(400, f"inputs[0].name: the model's input is called {meta.input_name!r}")
        self._model.check_datatype(tensor.datatype)
        if any(output.name != meta.output_name for output in request.outputs) or len(request.outputs) > 1:
            raise ProtocolError(400, f"outputs: the model's only output is called {meta.output_name!r}")
        rows, shape = self._model.rows_of_shape(list(tensor.shape))
        check_rows(rows, max_rows)
        data = self._model.check_binary(self._tensor_bytes(request, tensor), rows, shape)
        return InferRequest(rows, data, shape, RAW, _timeout_ns(request))

    def _tensor_bytes(self, request: Any, tensor: Any) -> bytes:
        field = DATATYPES[self._model.datatype].grpc
        typed = getattr(tensor.contents, field) if field else ()
        if not request.raw_input_contents:
            return self._narrowed(typed)
        if typed or len(request.raw_input_contents) != 1:
            raise ProtocolError(400, "the tensor must be either in contents or, as the only one, in raw_input_contents")
        return bytes(request.raw_input_contents[0])

    def _narrowed(self, typed: Any) -> bytes:
        # Small integers are transmitted as 32 bits: one out of the range of the model's type is refused.
        dtype = self._model.dtype
        values = np.array(typed, dtype=dtype if dtype.kind == "f" else np.int64)
        if not np.array_equal(values, narrow := values.astype(dtype), equal_nan=dtype.kind == "f"):
            raise ProtocolError(400, f"a value is out of the range of {self._model.datatype}")
        return narrow.tobytes()

    def check_model(self, name: str, version: str) -> None:
        """Raise ProtocolError unless name and version are those of the model."""
        if name != self._model.name:
            raise ProtocolError(404, f"unknown model {name!r}: this server has {self._model.name!r}")
        if version not in ("", VERSION):
            raise ProtocolError(404, f"model {name!r} has only version {VERSION}")

    def encode(self, request_id: str, rows: int, raw: bytes) -> Any:
        """The `ModelInferResponse` with the bytes of the output."""
        meta = self._model.meta
        return self._response(
            model_name=self._model.name,
            model_version=VERSION,
            id=request_id,
            outputs=[{"name": meta.output_name, "datatype": OUTPUT_DATATYPE, "shape": [rows, *meta.output_shape]}],
            raw_output_contents=[raw],
        )


def _timeout_ns(request: Any) -> int | None:
    if "timeout" not in request.parameters:
        return None
    parameter = request.parameters["timeout"]
    chosen = parameter.WhichOneof("parameter_choice")
    return timeout_of_us(getattr(parameter, chosen) if chosen else None)
