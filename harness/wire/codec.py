"""What a protocol must be able to do: write a payload as a request, and read the numbers out of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from harness.errors import UserError
from harness.wire.protocols import GRPC, HTTP_BINARY, HTTP_JSON, OPENAI, PLAIN_JSON, TFS, protocol_named

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl


class WireError(Exception):
    """An answer that the protocol does not allow, or that holds no numbers."""


class Codec(Protocol):
    """One protocol for one model."""

    name: str

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request, head included, for an item (*input_shape), or for several (rows, *input_shape)."""

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The numbers of an answer's body, flat, in row-major order. Raises WireError."""

    def describe(self, status: int, body: bytes) -> str:
        """What an answer that is no success says, as a line for people."""


class HttpCodec:
    """What protocols over HTTP have in common."""

    def describe(self, status: int, body: bytes) -> str:
        """The status, with the message of the answer where it has one."""
        message = error_text(body)
        return f"HTTP {status}: {message}" if message else f"HTTP {status}"


def make_codec(protocol: str, url: ServerUrl, meta: BankMeta) -> Codec:
    """The codec called `protocol`. Raises UserError for a name that is not known."""
    from harness.wire.grpc.codec import GrpcCodec
    from harness.wire.open_inference import V2BinaryCodec, V2Codec
    from harness.wire.plain_json import PlainJsonCodec
    from harness.wire.raw_bodies import BODY, BodyCodec
    from harness.wire.tf_serving import TfsCodec

    if protocol == OPENAI:
        raise UserError(f"--protocol {OPENAI}: this scenario does not chat; take --scenario scenarios/agent.py")
    codecs: dict[str, Callable[[ServerUrl, BankMeta], Codec]] = {
        HTTP_JSON: V2Codec,
        HTTP_BINARY: V2BinaryCodec,
        GRPC: GrpcCodec,
        TFS: TfsCodec,
    }
    named = protocol_named(protocol)
    if meta.datatype == BODY:
        return BodyCodec(named, url, post_path(named, meta))
    if named.startswith(PLAIN_JSON):
        return PlainJsonCodec(named, url, meta)
    return codecs[named](url, meta)


def post_path(protocol: str, meta: BankMeta) -> str:
    """Where `protocol` posts requests for the model. Raises UserError for gRPC, whose bodies are no JSON."""
    from harness.wire.plain_json import parse_form

    if protocol == GRPC:
        raise UserError("--bank: bodies of your own are sent over HTTP; choose --protocol http-json, tfs or json:PATH")
    if protocol.startswith(PLAIN_JSON):
        return parse_form(protocol).path
    model = quote(meta.model)
    return f"/v1/models/{model}:predict" if protocol == TFS else f"/v2/models/{model}/infer"


def http_post(url: ServerUrl, path: str, headers: str, body: bytes) -> bytes:
    """A whole POST request. `headers` are further header lines, each with its line break."""
    head = f"POST {url.prefix}{path} HTTP/1.1\r\nHost: {url.authority}\r\n{url.access.header_line}{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def error_text(body: bytes) -> str:
    """The message of an error answer over HTTP (`{"error": ...}`), at most 120 characters; empty where there is none.

    Digits are left in: a server that puts an id into every message is bounded by who counts the messages.
    """
    import orjson

    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        error = error.get("message")  # as OpenAI writes it
    return " ".join(error[:120].split()) if isinstance(error, str) else ""
