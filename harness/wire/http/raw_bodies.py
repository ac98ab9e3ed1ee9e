"""Whole request bodies of the user's own, which are sent unchanged; responses are not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.wire.codec import HttpCodec, WireError, http_post

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.server_url import ServerUrl

BODY = "BODY"  # the datatype of a bank whose items are bodies, as bytes
_HEADERS = "Content-Type: application/json\r\n"


class BodyCodec(HttpCodec):
    """Posts each item's bytes to `path`."""

    def __init__(self, name: str, url: ServerUrl, path: str) -> None:
        self.name = name
        self._url = url
        self._path = path

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one body (bytes,) of uint8."""
        return http_post(self._url, self._path, _HEADERS, item.tobytes())

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """Raises WireError: the form of the response is unknown."""
        del body
        raise WireError("responses to request bodies of the user's own are not read")
