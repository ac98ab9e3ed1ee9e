"""TensorFlow Serving's REST interface: `:predict` in row format, and KServe's `:explain` beside it.

A whole protocol, and the shortest: a codec that writes requests and reads responses, functions that recognise a server
and read its metadata, and the `WireProtocol` at the end, which `harness/wire/protocols.py` lists.
Three of its fields stay False: `takes_rows` (a request may hold several items), `carries_bytes` (tensors go as bytes,
so that NaN and texts that are no UTF-8 pass), `swept` (`sweep protocol` tries it). `transport` is HTTP by default;
`EVENT_STREAM` and `GRPC` are the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from harness.wire.bounded_http import OK
from harness.wire.bounded_json import parse_json
from harness.wire.codec import HttpCodec, WireError, holds_nothing, http_post, no_answer
from harness.wire.datatypes import DATATYPES
from harness.wire.failure_text import failure_of
from harness.wire.http.open_inference import as_rows, flat_numbers
from harness.wire.model_metadata import FROM_FILE, ask, only_input, read_document, shapes_of
from harness.wire.payload_bank import BankMeta
from harness.wire.protocol import WireProtocol
from harness.wire.tensors import json_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.server_url import ServerUrl

_OUTPUTS = {"predict": "predictions", "explain": "explanations"}
_TYPES = {datatype.tensorflow: name for name, datatype in DATATYPES.items()}


class TfServingCodec(HttpCodec):
    """Sends `instances`, reads `predictions` or `explanations`."""

    name = "tfs"

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        self._url = url
        self._meta = meta
        self._path = f"/v1/models/{quote(meta.model)}:{meta.verb}"
        self._output = _OUTPUTS[meta.verb]

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one item."""
        rows = json_values(as_rows(item, self._meta), self._meta.datatype)
        body = orjson.dumps({"instances": rows}, option=orjson.OPT_SERIALIZE_NUMPY)
        return http_post(self._url, self._path, "Content-Type: application/json\r\n", body)

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The first prediction; of a model with several outputs, the one the bank names. Raises WireError."""
        try:
            prediction = parse_json(body)[self._output][0]
            if isinstance(prediction, dict):
                prediction = prediction[self._meta.output_name]
            return flat_numbers(prediction)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise WireError(f"not a response of TensorFlow Serving: {error}") from error

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where the response has no predictions, in rows or in columns."""
        try:
            document = parse_json(body)
            found = document.get(self._output) or document["outputs"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise no_answer(body, f"no {self._output}") from error
        if (said := failure_of(document)) is not None:
            raise WireError(said)
        if not isinstance(found, dict | list) or holds_nothing(found):
            raise no_answer(body, f"no {self._output}")


def _is_spoken(url: ServerUrl, model: str) -> bool:
    response = ask(url, f"/v1/models/{quote(model)}")
    document = response.document()
    is_openai = isinstance(document, dict) and document.get("object") == "model"  # the same path in OpenAI's API
    return response.status == OK and not is_openai


def _read_meta(url: ServerUrl, model: str) -> BankMeta:
    return read_document(url, model, f"/v1/models/{quote(model)}/metadata", _meta)


def _meta(model: str, document: Any) -> BankMeta:
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    only_input(model, list(signature["inputs"]))
    (input_name, given), *_ = signature["inputs"].items()
    (output_name, output), *_ = signature["outputs"].items()
    return BankMeta(
        model=model,
        input_name=input_name,
        output_name=output_name,
        datatype=_TYPES[given["dtype"]],
        of_file=str(document["metadata"].get("platform", "")).endswith(FROM_FILE),
        **shapes_of(*([int(dim["size"]) for dim in each["tensor_shape"]["dim"]] for each in (given, output))),
    )


TFS = WireProtocol(
    name=TfServingCodec.name,
    doc="TensorFlow Serving's REST interface, `:predict` in rows",
    make_codec=TfServingCodec,
    post_path=lambda model: f"/v1/models/{quote(model)}:predict",
    is_spoken=_is_spoken,
    read_meta=_read_meta,
)
