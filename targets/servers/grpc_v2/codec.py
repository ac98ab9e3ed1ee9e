"""Decodes inference requests from, and encodes responses to, gRPC messages of the Open Inference Protocol.

A client repeats its message but for the tensor at its end and perhaps the id. What precedes the tensor is parsed once
and then looked up by its bytes: a concatenation of protobuf fields means what its parts mean.
"""

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

KEPT_HEADS = 256  # the first ones, permanently
KEPT_HEAD_BYTES = 1024
KEPT_STARTS = 4  # of the tensor, in messages of one length
RAW_INPUT = b"\x3a"  # the tags of the fields 7 and 6, which hold tensors, and 3, which holds the id
RAW_OUTPUT = b"\x32"
ID = b"\x1a"


@dataclass(frozen=True, slots=True)
class GrpcForm:
    """A `ModelInferResponse`. `prefix` ends before the id, `id` is the id's whole field."""

    heads: ResponseHeads
    id: bytes = b""

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(no header lines, the message)."""
        raw = outputs.raw(start, stop)
        heads = self.heads
        return b"", b"%b%b%b%b" % (heads.prefix, self.id, heads.before_raw(stop - start, len(raw)), raw)


class ResponseHeads:
    """What precedes the tensor in responses, by the number of rows."""

    def __init__(self, model: WireModel) -> None:
        self._meta = model.meta
        self._response = message("ModelInferResponse")
        self.prefix: bytes = self._response(model_name=model.name, model_version=VERSION).SerializeToString()
        self._known: dict[int, bytes] = {}

    def before_raw(self, rows: int, raw_bytes: int) -> bytes:
        """The description of the output tensor, and the tag and length of its bytes."""
        known = self._known.get(rows)
        if known is None:
            meta = self._meta
            output = {"name": meta.output_name, "datatype": OUTPUT_DATATYPE, "shape": [rows, *meta.output_shape]}
            described: bytes = self._response(outputs=[output]).SerializeToString()
            known = self._known[rows] = described + RAW_OUTPUT + varint(raw_bytes)
        return known


@dataclass(frozen=True, slots=True)
class KnownStart:
    """The parsed message before a tensor."""

    rows: int
    shape: tuple[int, ...]
    form: GrpcForm
    timeout_ns: int | None


class GrpcServerCodec:
    """Decodes requests and encodes responses for one model."""

    def __init__(self, model: WireModel) -> None:
        self._model = model
        self._request = message("ModelInferRequest")
        self._form = GrpcForm(ResponseHeads(model))
        self._starts: dict[int, tuple[int, ...]] = {}  # by the length of a message without its id
        self._known: dict[bytes, KnownStart] = {}
        name = self._request(model_name=model.name).SerializeToString()
        versioned = self._request(model_name=model.name, model_version=VERSION).SerializeToString()
        self._names = versioned, name

    def decode(self, content: bytes, max_rows: int) -> InferRequest:
        """Decode a serialised `ModelInferRequest`. Raises ProtocolError."""
        rest, identity = self._without_id(content)
        for start in self._starts.get(len(rest), ()):
            known = self._known.get(rest[:start])
            if known is not None:
                check_rows(known.rows, max_rows)
                tensor = self._model.check_binary(rest[start:], known.rows, known.shape)
                form = GrpcForm(known.form.heads, identity) if identity else known.form
                return InferRequest(known.rows, tensor, known.shape, form, known.timeout_ns)
        request = self._parsed(content)
        decoded = self._decode(request, max_rows)
        if request.id:
            decoded.form = GrpcForm(self._form.heads, self._request(id=request.id).SerializeToString())
        self._keep(rest, decoded, request)
        return decoded

    def _without_id(self, content: bytes) -> tuple[bytes, bytes]:
        """The message without its id, and the id's field, where it has a short one at the usual place."""
        for name in self._names:
            at = len(name)
            if content.startswith(name):
                if content[at : at + 1] != ID or content[at + 1 : at + 2] > b"\x7f":
                    break
                end = at + 2 + content[at + 1]
                identity = content[at:end]
                return (content[:at] + content[end:], identity) if identity.isascii() else (content, b"")
        return content, b""

    def _parsed(self, content: bytes) -> Any:
        from google.protobuf.message import DecodeError

        try:
            return self._request.FromString(content)
        except DecodeError as error:
            raise ProtocolError(400, "the request is not a valid ModelInferRequest message") from error

    def _keep(self, rest: bytes, decoded: InferRequest, request: Any) -> None:
        """Remember what precedes the tensor, where the tensor is the end of the message and its only raw one."""
        raw_bytes = len(decoded.tensor)
        start = len(rest) - raw_bytes
        end = RAW_INPUT + varint(raw_bytes)
        if start > KEPT_HEAD_BYTES or len(self._known) >= KEPT_HEADS or not request.raw_input_contents:
            return
        before = rest[:start].removesuffix(end)
        if len(before) == start or rest[start:] != decoded.tensor:
            return
        if self._parsed(before).id:
            return
        starts = self._starts.get(len(rest), ())
        if start in starts or len(starts) < KEPT_STARTS:
            form = self._form
            self._known[rest[:start]] = KnownStart(decoded.rows, decoded.shape, form, decoded.timeout_ns)
            self._starts[len(rest)] = (*dict.fromkeys((*starts, start)),)

    def _decode(self, request: Any, max_rows: int) -> InferRequest:
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
        return InferRequest(rows, data, shape, self._form, _timeout_ns(request))

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


def varint(value: int) -> bytes:
    """`value` as protobuf writes lengths."""
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def _timeout_ns(request: Any) -> int | None:
    if "timeout" not in request.parameters:
        return None
    parameter = request.parameters["timeout"]
    chosen = parameter.WhichOneof("parameter_choice")
    return timeout_of_us(getattr(parameter, chosen) if chosen else None)
