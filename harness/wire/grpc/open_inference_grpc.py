"""The Open Inference Protocol v2 over gRPC: tensors as bytes in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from harness.errors import UserError
from harness.wire.codec import WireError
from harness.wire.datatypes import DATATYPES, DTYPES
from harness.wire.failure_text import quoted
from harness.wire.grpc.call import ask, request_of
from harness.wire.grpc.messages import message
from harness.wire.grpc.service_description import document_of
from harness.wire.http.open_inference import as_rows, require_numbers, require_texts
from harness.wire.model_metadata import FROM_FILE, PAYLOADS, checked_meta, only_input, shapes_of
from harness.wire.payload_bank import BankMeta
from harness.wire.protocol import Transport, WireProtocol
from harness.wire.tensors import BYTES, holds_text, numbers_of, tensor_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.wire.server_url import ServerUrl


class OpenInferenceGrpcCodec:
    """Requests and responses of `ModelInfer`."""

    name = "grpc"

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        self._url = url
        self._meta = meta
        self._request = message("ModelInferRequest")
        self._parse = message("ModelInferResponse").FromString

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one item, or for several of one length along a batch axis."""
        meta = self._meta
        rows = as_rows(item, meta)
        tensor = {"name": meta.input_name, "datatype": meta.datatype, "shape": list(rows.shape)}
        raw = tensor_bytes(rows, meta.datatype)
        return request_of(
            self._url,
            "ModelInfer",
            self._request(model_name=meta.model, inputs=[tensor], raw_input_contents=[raw]),
        )

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The data of the model's output. Raises WireError."""
        try:
            response = self._read(body)
            for number, tensor in enumerate(response.outputs):
                if self._meta.output_name in ("", tensor.name):
                    return _numbers(response, number, tensor)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise WireError(f"not a response of the Open Inference Protocol: {error}") from error
        raise WireError(f"the response has no output {self._meta.output_name!r}")

    def require_answer(self, body: bytes) -> None:
        """Raises WireError for a message without outputs, without the numbers of a shape, or with empty texts alone."""
        response = self._read(body)
        if not response.outputs:
            raise WireError("the response has no outputs")
        try:
            for number, tensor in enumerate(response.outputs):
                if tensor.datatype in DTYPES:
                    require_numbers(_numbers(response, number, tensor), tensor.shape)
            texts = [number for number, tensor in enumerate(response.outputs) if tensor.datatype == BYTES]
            require_texts([_holds_text(response, number) for number in texts])
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise WireError(f"not a response of the Open Inference Protocol: {error}") from error

    def readable(self, body: bytes) -> bytes:
        """The response as JSON, with the names of the protocol's fields. Raises WireError."""
        return orjson.dumps(document_of(self._read(body)))

    def _read(self, body: bytes) -> Any:
        from google.protobuf.message import DecodeError

        try:
            return self._parse(body)
        except DecodeError as error:
            raise WireError(f"not a response of the Open Inference Protocol: {error}") from error

    def describe(self, status: int, body: bytes) -> str:
        """The error of a failed call; the text holds the status by gRPC's name."""
        del status
        return f"gRPC {quoted(body.decode(errors='replace'))}"


def _numbers(response: Any, number: int, tensor: Any) -> NDArray[np.float64]:
    if response.raw_output_contents:
        return numbers_of(response.raw_output_contents[number], tensor.datatype)
    return np.array(getattr(tensor.contents, str(DATATYPES[tensor.datatype].grpc)), dtype=np.float64)


def _holds_text(response: Any, number: int) -> bool:
    if response.raw_output_contents:
        return holds_text(response.raw_output_contents[number])
    return any(response.outputs[number].contents.bytes_contents)


def _is_spoken(url: ServerUrl, model: str) -> bool:
    del model
    ask(url, "ServerReady")
    return True


def _read_meta(url: ServerUrl, model: str) -> BankMeta:
    document = ask(url, "ModelMetadata", name=model)
    if not document.inputs or not document.outputs:
        raise UserError(f"{url}: {model} names no inputs or no outputs; {PAYLOADS}", "server")
    only_input(model, [each.name for each in document.inputs])
    given, output = document.inputs[0], document.outputs[0]
    try:
        return checked_meta(
            BankMeta(
                model=model,
                input_name=given.name,
                output_name=output.name,
                datatype=given.datatype,
                of_file=document.platform.endswith(FROM_FILE),
                **shapes_of(given.shape, output.shape),
            )
        )
    except ValueError as error:
        raise UserError(f"{url}: cannot read what {model} takes ({error}); {PAYLOADS}", "server") from error


GRPC = WireProtocol(
    name=OpenInferenceGrpcCodec.name,
    doc="Open Inference Protocol v2 over gRPC, tensors as bytes",
    transport=Transport.GRPC,
    make_codec=OpenInferenceGrpcCodec,
    is_spoken=_is_spoken,
    read_meta=_read_meta,
    carries_bytes=True,
    takes_rows=True,
    swept=True,
)
