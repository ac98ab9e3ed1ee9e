"""TensorFlow Serving's REST interface: `:predict` in row format, and KServe's `:explain` beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from harness.wire.codec import HttpCodec, WireError, http_post
from harness.wire.open_inference import as_rows, flat_numbers
from harness.wire.protocols import TFS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl

_ANSWERS = {"predict": "predictions", "explain": "explanations"}


class TfsCodec(HttpCodec):
    """`instances` in, `predictions` or `explanations` out."""

    name = TFS

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        self._url = url
        self._meta = meta
        self._path = f"/v1/models/{quote(meta.model)}:{meta.verb}"
        self._answer = _ANSWERS[meta.verb]

    def encode(self, item: NDArray[Any]) -> bytes:
        """One instance, or several of one length along a batch axis."""
        body = orjson.dumps({"instances": as_rows(item, self._meta)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return http_post(self._url, self._path, "Content-Type: application/json\r\n", body)

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The first prediction; of a model with several outputs, the one the bank names. Raises WireError."""
        try:
            prediction = orjson.loads(body)[self._answer][0]
            if isinstance(prediction, dict):
                prediction = prediction[self._meta.output_name]
            return flat_numbers(prediction)
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise WireError(f"not an answer of TensorFlow Serving: {error}") from error
