"""Plain JSON, for servers that speak no known protocol. The protocol's name says how it is used.

It is written `json:/predict?send=inputs[]&take=outputs.0`: the path to post to, the shape of the request, and the place
of the numbers in the response. `send=input` makes {"input": item}, `send=inputs[]` makes {"inputs": [item]}, `send=[]`
makes [item], and without `send` the item itself is sent. `take` is the way to the numbers, names and positions with
dots between; without it they are the whole document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from harness.errors import UserError
from harness.wire.bounded_json import parse_json
from harness.wire.codec import HttpCodec, WireError, holds_nothing, http_post, no_answer
from harness.wire.http.open_inference import as_rows, flat_numbers
from harness.wire.protocol import WireProtocol
from harness.wire.tensors import json_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl

PREFIX = "json:"
EXAMPLE = "json:/predict?send=inputs[]&take=outputs.0"
_HEADERS = "Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class PlainJsonForm:
    """Where one server takes requests, and how requests and responses are made up."""

    path: str
    send: str = ""
    take: str = ""

    def wrap(self, item: Any) -> Any:
        """The document to send for `item`."""
        name = self.send.removesuffix("[]")
        content = [item] if self.send.endswith("[]") else item
        return {name: content} if name else content

    def find(self, document: Any) -> Any:
        """The part of a response that holds the numbers. Raises KeyError, IndexError, TypeError where there is none."""
        for step in self.take.split(".") if self.take else ():
            document = document[int(step)] if isinstance(document, list) else document[step]
        return document


def parse_form(name: str) -> PlainJsonForm:
    """The form that the name of a protocol holds. Raises UserError."""
    parts = urlsplit(name.removeprefix(PREFIX))
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.path.startswith("/") or set(given) - {"send", "take"}:
        raise UserError(f"{name}: write it like {EXAMPLE!r} (path, then send and take)", "protocol")
    return PlainJsonForm(parts.path, given.get("send", ""), given.get("take", ""))


def protocol_of(name: str) -> WireProtocol:
    """The protocol that has the form in `name`. Raises UserError."""
    form = parse_form(name)
    return WireProtocol(
        name=name,
        doc="plain JSON",
        make_codec=lambda url, meta: PlainJsonCodec(name, url, meta),
        post_path=lambda _model: form.path,
        own_paths=True,
    )


class PlainJsonCodec(HttpCodec):
    """Posts one item in each request."""

    def __init__(self, name: str, url: ServerUrl, meta: BankMeta) -> None:
        self.name = name
        self._form = parse_form(name)
        self._url = url
        self._meta = meta

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for an item (*input_shape)."""
        row = json_values(as_rows(item, self._meta)[0], self._meta.datatype)
        body = orjson.dumps(self._form.wrap(row), option=orjson.OPT_SERIALIZE_NUMPY)
        return http_post(self._url, self._form.path, _HEADERS, body)

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The numbers that `take` leads to, flat. Raises WireError."""
        try:
            return flat_numbers(self._form.find(parse_json(body)))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise WireError(f"no numbers at {self._form.take or 'the top'} of the response: {error}") from error

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where a response is no JSON, or reports a failure, or `take` leads to nothing."""
        take = self._form.take
        super().require_answer(body)
        try:
            found = self._form.find(parse_json(body))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise no_answer(body, f"nothing at {take}" if take else "it is no JSON") from error
        if take and holds_nothing(found):
            raise no_answer(body, f"nothing at {take}")
