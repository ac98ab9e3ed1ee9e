"""Unary calls of gRPC services that speak no known protocol: messages written as JSON, responses read as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from harness.errors import UserError
from harness.wire.codec import WireError
from harness.wire.failure_text import failure_of, quoted
from harness.wire.grpc.call import call_of
from harness.wire.grpc.service_description import document_of, unary_method
from harness.wire.own.own_request import GRPC_METHOD
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.grpc.service_description import UnaryMethod
    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl


class OwnServiceCodec:
    """Requests and responses of one method; items of its banks are serialised messages."""

    name = GRPC_METHOD

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        if meta.request is None or not meta.request.descriptors:
            raise UserError(f"{self.name}: name the method with --method package.Service/Method, and give a --body")
        self._method = unary_method(meta.request.descriptors, meta.request.method)
        self._url = url

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one message (bytes,) of uint8."""
        return call_of(self._url, self._method.path, item.tobytes())

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """Raises WireError: which of its fields is meant is unknown."""
        del body
        raise WireError("messages of a service of the user's own are not read as numbers")

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where the body is no message of the method, or one whose fields report a failure."""
        document = document_of(self._parsed(body))
        said = failure_of(document) if document else None  # an empty message may be the whole answer
        if said is not None:
            raise WireError(said)

    def readable(self, body: bytes) -> bytes:
        """The response as JSON, with the names that its fields have in the `.proto`. Raises WireError."""
        return orjson.dumps(document_of(self._parsed(body)))

    def describe(self, status: int, body: bytes) -> str:
        """The error of a failed call; the text holds the status by gRPC's name."""
        del status
        return f"gRPC {quoted(body.decode(errors='replace'))}"

    def _parsed(self, body: bytes) -> Any:
        from google.protobuf.message import DecodeError

        try:
            return self._method.response.FromString(body)
        except DecodeError as error:
            raise WireError(f"not a message of {self._method.path}: {error}") from error


def message_of(method: UnaryMethod, body: bytes) -> bytes:
    """A JSON document as a serialised request of `method`. Raises UserError that names what does not fit."""
    from google.protobuf.json_format import ParseDict, ParseError

    try:
        message: bytes = ParseDict(orjson.loads(body or b"{}"), method.request()).SerializeToString()
    except (ParseError, TypeError, ValueError) as error:
        kind = method.request.DESCRIPTOR.full_name
        raise UserError(f"--body: is no {kind} in JSON ({quoted(str(error))})") from error
    return message


OWN_SERVICE = WireProtocol(
    name=OwnServiceCodec.name,
    doc="a unary method of any gRPC service: calls of your own",
    transport=Transport.GRPC,
    make_codec=OwnServiceCodec,
    own_paths=True,
)
