"""Decodes requests of the Open Inference Protocol, version 2: JSON, and the binary tensor extension.

With the extension a body is JSON followed by raw tensors. The header `Inference-Header-Content-Length` has the length
of the JSON, and `binary_data_size` that of a tensor. Requests and responses can use it independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from harness.clock import NS_PER_US
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.inference import JSON_HEADERS, InferRequest
from targets.servers.protocols.wire_model import OUTPUT_DATATYPE, VERSION, refuse_booleans

if TYPE_CHECKING:
    from targets.servers.protocols.inference import BatchOutputs, ResponseForm
    from targets.servers.protocols.wire_model import Shape, WireModel

KEPT_HEADS = 256  # the first ones, permanently
KEPT_HEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class V2JsonForm:
    """A response with the output tensor as JSON. `prefix` ends before the batch axis of the shape."""

    prefix: bytes
    shape_tail: bytes  # of the shape, after the batch axis

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(header lines, body) with the rows as one flat list."""
        data = b",".join(outputs.json_rows[start:stop])
        return JSON_HEADERS, b'%s%d%s],"data":[%s]}]}' % (self.prefix, stop - start, self.shape_tail, data)


@dataclass(frozen=True, slots=True)
class V2BinaryForm:
    """A response with the output tensor as raw bytes after a JSON header."""

    prefix: bytes
    shape_tail: bytes

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(header lines, body) with the JSON header, then the rows."""
        raw = outputs.raw(start, stop)
        headers, json = _before_raw(self, stop - start, len(raw))
        return headers, json + raw


@lru_cache(maxsize=256)
def _before_raw(form: V2BinaryForm, rows: int, raw_bytes: int) -> tuple[bytes, bytes]:
    parameters = b'],"parameters":{"binary_data_size":%d}}]}' % raw_bytes
    json = b"%s%d%s%s" % (form.prefix, rows, form.shape_tail, parameters)
    lengths = b"content-type: application/octet-stream\r\ninference-header-content-length: %d\r\n" % len(json)
    return lengths, json


@dataclass(frozen=True, slots=True)
class KnownHead:
    """The parsed JSON before a binary tensor. A client repeats it byte for byte, so it is parsed once."""

    rows: int
    shape: Shape
    form: ResponseForm
    timeout_ns: int | None
    raw_bytes: int


class V2Decoder:
    """Decodes inference requests for one model."""

    def __init__(self, model: WireModel) -> None:
        self._model = model
        self._tail = b"".join(b",%d" % dim for dim in model.meta.output_shape)
        self._plain = V2JsonForm(self._prefix({}), self._tail)
        self._plain_binary = V2BinaryForm(self._plain.prefix, self._tail)
        self._known: dict[bytes, KnownHead] = {}

    def decode(self, body: bytes, json_length: int | None, max_rows: int) -> InferRequest:
        """The request in `body`, of which the first `json_length` bytes are JSON (all where None)."""
        if json_length is None:
            return self._decode(body, b"", max_rows)
        if json_length > len(body):
            raise ProtocolError(400, "inference-header-content-length is larger than the body")
        head, raw = body[:json_length], body[json_length:]
        known = self._known.get(head)
        if known is None or known.raw_bytes != len(raw):
            request = self._decode(head, raw, max_rows)
            self._keep(head, raw, request)
            return request
        check_rows(known.rows, max_rows)
        tensor = self._model.check_binary(raw, known.rows, known.shape)
        return InferRequest(known.rows, tensor, known.shape, known.form, known.timeout_ns)

    def _keep(self, head: bytes, raw: bytes, request: InferRequest) -> None:
        """Cache the JSON header, unless it has data of one request alone, such as an id."""
        plain = request.form is self._plain or request.form is self._plain_binary
        if raw and plain and len(head) <= KEPT_HEAD_BYTES and len(self._known) < KEPT_HEADS:
            self._known[head] = KnownHead(request.rows, request.shape, request.form, request.timeout_ns, len(raw))

    def _decode(self, body: bytes, raw: bytes, max_rows: int) -> InferRequest:
        document = parse_object(body)
        tensor = self._input_tensor(document)
        rows, shape = self._model.rows_of_shape(tensor.get("shape"))
        check_rows(rows, max_rows)
        packed = self._packed(tensor, rows, shape, body, raw)
        return InferRequest(rows, packed, shape, self.form(document), _timeout_ns(document))

    def _input_tensor(self, document: dict[str, Any]) -> dict[str, Any]:
        inputs = document.get("inputs")
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise ProtocolError(400, "inputs: needs a list of exactly one tensor object")
        tensor: dict[str, Any] = inputs[0]
        meta = self._model.meta
        if tensor.get("name") != meta.input_name:
            raise ProtocolError(400, f"inputs[0].name: the model's input is called {meta.input_name!r}")
        self._model.check_datatype(tensor.get("datatype"))
        return tensor

    def _packed(self, tensor: dict[str, Any], rows: int, shape: Shape, body: bytes, raw: bytes) -> bytes:
        parameters = tensor.get("parameters")
        if isinstance(parameters, dict) and "binary_data_size" in parameters:
            if parameters["binary_data_size"] != len(raw):
                raise ProtocolError(400, f"binary_data_size is not the {len(raw)} bytes that follow the JSON")
            return self._model.check_binary(raw, rows, shape)
        if raw:
            raise ProtocolError(400, "bytes follow the JSON, but no tensor has a binary_data_size")
        values = tensor.get("data")
        refuse_booleans(body, values)
        return self._model.pack_flat(values, rows, shape)

    def form(self, document: dict[str, Any]) -> V2JsonForm | V2BinaryForm:
        """The form of the response that `document` requests."""
        if len(document) <= 1 and "parameters" not in document:
            return self._plain
        binary = _flag(document, "binary_data_output")
        outputs = document.get("outputs")
        if outputs is not None:
            binary = self._requested(outputs, binary)
        if "id" not in document:
            return self._plain_binary if binary else self._plain
        prefix = self._prefix(document)
        return V2BinaryForm(prefix, self._tail) if binary else V2JsonForm(prefix, self._tail)

    def _requested(self, outputs: Any, binary: bool) -> bool:
        name = self._model.meta.output_name
        if not isinstance(outputs, list) or any(not isinstance(output, dict) for output in outputs):
            raise ProtocolError(400, "outputs: needs a list of objects")
        if any(output.get("name") != name for output in outputs) or len(outputs) > 1:
            raise ProtocolError(400, f"outputs: the model's only output is called {name!r}")
        return _flag(outputs[0], "binary_data") if outputs else binary

    def _prefix(self, document: dict[str, Any]) -> bytes:
        head: dict[str, Any] = {"model_name": self._model.name, "model_version": VERSION}
        if "id" in document:
            head["id"] = str(document["id"])
        output = {"name": self._model.meta.output_name, "datatype": OUTPUT_DATATYPE}
        return orjson.dumps(head)[:-1] + b',"outputs":[' + orjson.dumps(output)[:-1] + b',"shape":['


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse `body` as a JSON object. NaN and Infinity are not JSON and are refused."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(400, f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ProtocolError(400, "the body must be a JSON object")
    return document


def check_rows(rows: int, max_rows: int) -> None:
    """Raise ProtocolError where one request has more rows than a batch: a request is never divided."""
    if rows > max_rows:
        raise ProtocolError(400, f"{rows} rows in one request, but batch_size is {max_rows}")


def _timeout_ns(document: dict[str, Any]) -> int | None:
    parameters = document.get("parameters")
    return timeout_of_us(parameters["timeout"]) if isinstance(parameters, dict) and "timeout" in parameters else None


def timeout_of_us(timeout_us: Any) -> int | None:
    """The parameter `timeout` in nanoseconds; as in Triton, 0 means none. Raises ProtocolError."""
    if type(timeout_us) is not int or timeout_us < 0:
        raise ProtocolError(400, "parameters.timeout: needs a whole number of microseconds, 0 for none")
    return timeout_us * NS_PER_US or None


def _flag(holder: dict[str, Any], name: str) -> bool:
    parameters = holder.get("parameters")
    return isinstance(parameters, dict) and parameters.get(name) is True
