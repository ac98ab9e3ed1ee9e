"""Whole request bodies of the user's own, which are sent unchanged: to a known protocol's path, or to any URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.codec import HttpCodec, WireError, no_answer
from harness.wire.own import own_request
from harness.wire.own.request_form import Content, RequestForm
from harness.wire.protocol import WireProtocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.codec import Codec
    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl

BODY = "BODY"  # the datatype of a bank whose items are bodies, as bytes
CONTENT_TYPE = "content-type"


class BodyCodec(HttpCodec):
    """Sends each item's bytes to `path`; where that is empty, to the URL as it was given."""

    def __init__(self, name: str, url: ServerUrl, path: str, form: RequestForm | None = None) -> None:
        form = form or RequestForm()
        own = {header.lower() for header, _ in url.access.headers}
        named = f"Content-Type: {form.content_type}\r\n" if form.content_type and CONTENT_TYPE not in own else ""
        self.name = name
        self._charset = form.charset
        self._responds = form.responds
        self._has_body = form.method not in ("GET", "HEAD") or bool(form.content_type)
        where = f"{url.prefix}{path}" if path else url.path
        self._head = f"{form.method} {where} HTTP/1.1\r\n{url.head_lines}{named}"

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one body (bytes,) of uint8."""
        length = f"Content-Length: {item.size}\r\n" if item.size or self._has_body else ""
        return f"{self._head}{length}\r\n".encode("ascii") + item.tobytes()

    def require_answer(self, body: bytes) -> None:
        """Raises WireError, besides what is no answer in any service, for a body that is not the JSON it should be."""
        super().require_answer(body)
        if self._responds is Content.ANY:
            return
        text = self.readable(body)
        lines = text.split(b"\n") if self._responds is Content.JSON_LINES else [text]
        try:
            for line in lines:
                if line.strip():
                    parse_json(line)
        except JsonError as error:
            raise no_answer(body, f"it should be JSON, but {error}") from error

    def readable(self, body: bytes) -> bytes:
        """The body in UTF-8."""
        return body.decode(self._charset, "replace").encode() if self._charset else body

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """Raises WireError: the form of the response is unknown."""
        del body
        raise WireError("responses to request bodies of the user's own are not read as numbers")


def _no_arrays(url: ServerUrl, meta: BankMeta) -> Codec:
    raise UserError(
        f"{url}: nothing says how the arrays of {meta.model} become a request; give --body, --form or --bank "
        "FILE.jsonl, or the JSON around an array: --protocol 'json:/predict?send=inputs[]&take=outputs.0'"
    )


HTTP = WireProtocol(
    name=own_request.HTTP,
    doc="any HTTP service: requests of your own, sent to the URL as it is",
    make_codec=_no_arrays,
    post_path=lambda _model: "",
    own_paths=True,
)
