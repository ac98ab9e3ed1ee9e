"""A codec writes a payload as a request, and reads the numbers out of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.failure_text import body_text, failure_in, failure_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.server_url import ServerUrl


class WireError(Exception):
    """The response breaks the protocol, or holds no numbers."""


class Codec(Protocol):
    """Requests and responses of one protocol, for one model of one server."""

    name: str

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request, head included, for an item (*input_shape), or for several (rows, *input_shape)."""

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The numbers of a response's body, flat, in row-major order. Raises WireError."""

    def require_answer(self, body: bytes) -> None:
        """Raises WireError, in the server's words where it has some, where a body holds no answer, right or wrong."""

    def readable(self, body: bytes) -> bytes:
        """The body of a response in the form in which conditions read it: a message as JSON. Raises WireError."""

    def describe(self, status: int, body: bytes) -> str:
        """One line for people that says why a response is no success."""


class HttpCodec:
    """The part that codecs over HTTP have in common."""

    def require_answer(self, body: bytes) -> None:
        """Raises WireError for an empty body, a web page, and a document that reports a failure."""
        said = failure_in(body)
        if said is not None:
            raise WireError(said)

    def readable(self, body: bytes) -> bytes:
        """The body as it is."""
        return body

    def describe(self, status: int, body: bytes) -> str:
        """The status, with the error message of the body where it has one."""
        message = error_text(body)
        return f"HTTP {status}: {message}" if message else f"HTTP {status}"


def no_answer(body: bytes, reason: object) -> WireError:
    """The error of a body in which nothing is found: the failure that it reports, or `reason` and how it begins."""
    return WireError(failure_in(body) or f"{reason}; the body is {body_text(body)}")


def holds_nothing(value: Any) -> bool:
    """Whether a part of a JSON document is null, an empty text, or made of nothing but such."""
    if isinstance(value, dict | list):
        return all(map(holds_nothing, value.values() if isinstance(value, dict) else value))
    return value is None or value == ""


def http_post(url: ServerUrl, path: str, headers: str, body: bytes) -> bytes:
    """A whole POST request. `headers` are further header lines, each with its line break."""
    head = f"POST {url.prefix}{path} HTTP/1.1\r\n{url.head_lines}{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def error_text(body: bytes) -> str:
    """The message of an error response over HTTP, at most 120 characters; empty where there is none.

    Numbers in it are kept, so each message may be different where a server puts an id into it.
    """
    try:
        return failure_of(parse_json(body)) or ""
    except JsonError:
        return ""
