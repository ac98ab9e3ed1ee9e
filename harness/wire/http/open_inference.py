"""The Open Inference Protocol v2 over HTTP: tensors as JSON, or as bytes by its binary tensor extension."""

from __future__ import annotations

import contextlib
import math
import re
from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import orjson

from harness.wire.bounded_http import OK
from harness.wire.bounded_json import parse_json
from harness.wire.codec import HttpCodec, WireError, holds_nothing, http_post, no_answer
from harness.wire.datatypes import DTYPES
from harness.wire.failure_text import failure_of
from harness.wire.model_metadata import FROM_FILE, ask, only_input, read_document, shapes_of
from harness.wire.payload_bank import BankMeta
from harness.wire.protocol import WireProtocol
from harness.wire.tensors import BYTES, EXACT_BELOW, held, holds_text, json_values, numbers_of, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.wire.server_url import ServerUrl

_JSON = "Content-Type: application/json\r\n"
_TEXT_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_NO_NUMBERS = "its data are not numbers of one shape"
_PATHS = {"predict": "infer", "explain": "explain"}  # the protocol has no word for an explanation; KServe's path


class OpenInferenceJsonCodec(HttpCodec):
    """Tensors as JSON numbers."""

    name = "http-json"

    def __init__(self, url: ServerUrl, meta: BankMeta) -> None:
        self._url = url
        self._meta = meta
        self._path = f"/v2/models/{quote(meta.model)}/{_PATHS[meta.verb]}"

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request for one item, or for several of one length along a batch axis."""
        rows = as_rows(item, self._meta)
        tensor = self._tensor(rows) | {"data": json_values(rows.reshape(-1), self._meta.datatype)}
        body = orjson.dumps({"inputs": [tensor]}, option=orjson.OPT_SERIALIZE_NUMPY)
        return http_post(self._url, self._path, _JSON, body)

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The data of the model's output. Raises WireError."""
        try:
            return flat_numbers(_output(parse_json(body), self._meta.output_name)["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(f"not a response of the Open Inference Protocol: {error}") from error

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where the response reports a failure, has no outputs, or one of them has no data."""
        try:
            _require_data(_reporting_no_failure(body)["outputs"], b"")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise no_answer(body, error) from error

    def _tensor(self, rows: NDArray[Any]) -> dict[str, Any]:
        return {"name": self._meta.input_name, "shape": list(rows.shape), "datatype": self._meta.datatype}


class OpenInferenceBinaryCodec(OpenInferenceJsonCodec):
    """Tensors as bytes after a JSON head (`binary_tensor_data`). The response may be binary or JSON."""

    name = "http-binary"

    def encode(self, item: NDArray[Any]) -> bytes:
        """The whole request, which asks for a binary response."""
        rows = as_rows(item, self._meta)
        raw = tensor_bytes(rows, self._meta.datatype)
        tensor = self._tensor(rows) | {"parameters": {"binary_data_size": len(raw)}}
        head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
        headers = f"Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {len(head)}\r\n"
        return http_post(self._url, self._path, headers, head + raw)

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The data of the model's output. Raises WireError."""
        end = _head_end(body)
        try:
            document = parse_json(body[:end])
            offset = end
            for tensor in document["outputs"]:
                size = tensor.get("parameters", {}).get("binary_data_size")
                if self._meta.output_name in ("", tensor["name"]):
                    if size is None:
                        return flat_numbers(tensor["data"])
                    return numbers_of(body[offset : offset + size], tensor["datatype"])
                offset += size or 0
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WireError(f"not a response of the Open Inference Protocol: {error}") from error
        raise WireError(f"the response has no output {self._meta.output_name!r}")

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where the response reports a failure, has no outputs, or one of them has no data."""
        end = _head_end(body)
        try:
            _require_data(_reporting_no_failure(body[:end])["outputs"], body[end:])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise no_answer(body, error) from error


def _reporting_no_failure(head: bytes) -> Any:
    """The document of a response. Raises WireError where it reports a failure, beside outputs too; ValueError."""
    document = parse_json(head)
    if (said := failure_of(document)) is not None:
        raise WireError(said)
    return document


def _require_data(outputs: list[dict[str, Any]], raw: bytes) -> None:
    """Raises KeyError, TypeError, ValueError where there are no outputs, one lacks its data, or all texts are empty.

    raw: the binary data of those that have some, in their order.
    """
    texts = []  # of each output of texts, whether it holds one
    if not outputs:
        raise ValueError("no outputs")
    for tensor in outputs:
        if "data" not in tensor and "binary_data_size" in tensor.get("parameters", {}):
            size = tensor["parameters"]["binary_data_size"]
            data, raw = raw[:size], raw[size:]
            if not data or len(data) < size:
                raise ValueError(f"{len(data)} of {size} bytes of an output came")
            if tensor["datatype"] in DTYPES:
                require_numbers(numbers_of(data, tensor["datatype"]), tensor.get("shape", ()))
            elif tensor["datatype"] == BYTES:
                texts.append(holds_text(data))
            continue
        if tensor.get("datatype") != BYTES:
            require_numbers(flat_numbers(tensor["data"]), tensor.get("shape", ()))
        elif not tensor["data"]:
            raise ValueError("an output without data")
        else:
            texts.append(not holds_nothing(tensor["data"]))
    require_texts(texts)


def require_texts(texts: list[bool]) -> None:
    """Raises ValueError where outputs hold texts, and every one of these is empty: another may well be."""
    if texts and not any(texts):
        raise ValueError("every text of the outputs is empty")


def require_numbers(numbers: NDArray[Any], shape: Sequence[int]) -> None:
    """Raises ValueError where an output has fewer numbers than its shape says, or none that is finite."""
    if numbers.size < math.prod(shape):
        raise ValueError(f"{numbers.size} numbers of an output of shape {list(shape)}")
    if not np.isfinite(numbers).any():
        raise ValueError("no number of an output is finite")


def as_rows(item: NDArray[Any], meta: BankMeta) -> NDArray[Any]:
    """`item` in the model's datatype, with a batch axis in front unless it has several rows or the model has none.

    Raises UserError for a value that the datatype cannot hold.
    """
    whole = item.ndim > len(meta.input_shape) or not meta.batched
    return np.ascontiguousarray(held(item if whole else item[None], meta.datatype))


def _head_end(body: bytes) -> int:
    """Where binary tensors may begin. Without any the whole body is JSON, and a long one is not searched."""
    return json_end(body) if b"binary_data_size" in body else len(body)


def json_end(body: bytes) -> int:
    """Where the JSON object that `body` starts with ends: binary tensors come right after it.

    (The header Inference-Header-Content-Length says the same; the object's own end needs no header.)
    """
    depth = 0
    for part in _TEXT_OR_BRACKET.finditer(body):
        if part[0] in b"{[":
            depth += 1
        elif part[0] in b"}]":
            depth -= 1
            if depth == 0:
                return part.end()
    return len(body)


def flat_numbers(data: object) -> NDArray[np.float64]:
    """Nested or flat JSON numbers as one axis, as `comparable` has them. Raises TypeError for anything else.

    (`np.asarray` would reserve room for a list of texts by the longest of them.)
    """
    while isinstance(data, list) and data and isinstance(data[0], list):
        if len({len(row) if isinstance(row, list) else None for row in data}) > 1:
            raise TypeError(_NO_NUMBERS)
        data = list(chain.from_iterable(data))
    try:
        numbers = np.array(array("d", data if isinstance(data, list) else [data]))
    except TypeError as error:
        raise TypeError(_NO_NUMBERS) from error
    if not numbers.size:
        raise TypeError(_NO_NUMBERS)
    if (np.abs(numbers) >= EXACT_BELOW).any() and isinstance(data, list) and all(type(each) is int for each in data):
        with contextlib.suppress(OverflowError):
            return np.array(data, np.uint64 if min(data) >= 0 else np.int64)
    return numbers


def _output(document: dict[str, Any], name: str) -> dict[str, Any]:
    for tensor in document["outputs"]:
        if name in ("", tensor["name"]):
            found: dict[str, Any] = tensor
            return found
    raise KeyError(f"no output {name!r}")


def _post_path(model: str) -> str:
    return f"/v2/models/{quote(model)}/infer"


def _is_spoken(url: ServerUrl, model: str) -> bool:
    del model
    return any(ask(url, path).status == OK for path in ("/v2/health/ready", "/v2"))


def _read_meta(url: ServerUrl, model: str) -> BankMeta:
    return read_document(url, model, f"/v2/models/{quote(model)}", _meta)


def _meta(model: str, document: Any) -> BankMeta:
    if not document["inputs"] or not document["outputs"]:
        raise ValueError("it names no inputs or no outputs")
    only_input(model, [each["name"] for each in document["inputs"]])
    given, output = document["inputs"][0], document["outputs"][0]
    return BankMeta(
        model=model,
        input_name=given["name"],
        output_name=output["name"],
        datatype=given["datatype"].upper(),
        of_file=str(document.get("platform", "")).endswith(FROM_FILE),
        **shapes_of(given["shape"], output["shape"]),
    )


HTTP_JSON = WireProtocol(
    name=OpenInferenceJsonCodec.name,
    doc="Open Inference Protocol v2, tensors as JSON numbers",
    aliases=("v2",),
    make_codec=OpenInferenceJsonCodec,
    post_path=_post_path,
    is_spoken=_is_spoken,
    read_meta=_read_meta,
    takes_rows=True,
    swept=True,
)
HTTP_BINARY = WireProtocol(
    name=OpenInferenceBinaryCodec.name,
    doc="Open Inference Protocol v2 with its binary tensor extension",
    aliases=("v2-binary",),
    make_codec=OpenInferenceBinaryCodec,
    post_path=_post_path,
    read_meta=_read_meta,
    carries_bytes=True,
    takes_rows=True,
    swept=True,
)
