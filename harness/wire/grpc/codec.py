"""Open Inference Protocol v2 over gRPC: tensors as bytes in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.wire.codec import WireError
from harness.wire.datatypes import DATATYPES, DTYPES
from harness.wire.grpc.http2 import unary_request
from harness.wire.grpc.messages import SERVICE, message
from harness.wire.open_inference import as_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl


def call(url: ServerUrl, method: str, content: Any) -> bytes:
    """A call of the service's `method` as `UnaryCalls.call` takes it."""
    headers = [
        (":method", "POST"),
        (":scheme", "https" if url.secure else "http"),
        (":path", f"/{SERVICE}/{method}"),
        (":authority", url.authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    if url.access.token:
        headers.append(("authorization", url.access.authorization))
    return unary_request(headers, content.SerializeToString())


class GrpcCodec:
    """`ModelInfer`."""

    name = "grpc"

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        self._url = url
        self._meta = meta
        self._request = message("ModelInferRequest")
        self._parse = message("ModelInferResponse").FromString

    def encode(self, item: NDArray[Any]) -> bytes:
        """One item, or several of one length along a batch axis."""
        meta = self._meta
        rows = as_rows(item, meta)
        tensor = {"name": meta.input_name, "datatype": meta.datatype, "shape": list(rows.shape)}
        raw = rows.tobytes()
        return call(
            self._url,
            "ModelInfer",
            self._request(model_name=meta.model, inputs=[tensor], raw_input_contents=[raw]),
        )

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The data of the model's output. Raises WireError."""
        from google.protobuf.message import DecodeError

        try:
            answer = self._parse(body)
            for number, tensor in enumerate(answer.outputs):
                if tensor.name == self._meta.output_name:
                    return _numbers(answer, number, tensor)
        except (DecodeError, KeyError, IndexError, ValueError) as error:
            raise WireError(f"not an answer of the Open Inference Protocol: {error}") from error
        raise WireError(f"the answer has no output {self._meta.output_name!r}")

    def describe(self, status: int, body: bytes) -> str:
        """What the server says of a call that failed; the status is in the text, by gRPC's name."""
        del status
        return f"gRPC {body.decode(errors='replace')}"


def _numbers(answer: Any, number: int, tensor: Any) -> NDArray[np.float64]:
    if answer.raw_output_contents:
        return np.frombuffer(answer.raw_output_contents[number], DTYPES[tensor.datatype]).astype(np.float64)
    return np.array(getattr(tensor.contents, str(DATATYPES[tensor.datatype].grpc)), dtype=np.float64)
