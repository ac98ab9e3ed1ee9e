"""Requests of other types than float32, and of rows whose length is their own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from harness.record.model_card import ModelCard
from harness.wire.http.open_inference import OpenInferenceBinaryCodec, OpenInferenceJsonCodec
from harness.wire.http.tf_serving import TfServingCodec
from harness.wire.payload_bank import BankMeta
from harness.wire.server_url import ServerUrl
from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.protocol import ProtocolLayer
from targets.servers.protocols.wire_model import WireModel
from targets.servers.telemetry import Telemetry

SOUND = BankMeta(model="tiny", datatype="INT16", input_shape=(-1,), output_shape=(2,), shortest=2, longest=5)
FRAMES = BankMeta(model="tiny", datatype="FP32", input_shape=(-1, 2), output_shape=(2,), longest=4)
IMAGE = BankMeta(model="tiny", datatype="UINT8", input_shape=(2, 2), output_shape=(2,))
URL = ServerUrl("127.0.0.1", 1)


def layer_of(meta: BankMeta) -> ProtocolLayer:
    return ProtocolLayer(WireModel(meta, ModelCard(name="tiny")), Telemetry())


def sent(meta: BankMeta, codec: Any, item: np.ndarray, max_rows: int = 8) -> Any:
    """What the server makes of the whole request that the client's codec writes."""
    head, _, body = codec(URL, meta).encode(item).partition(b"\r\n\r\n")
    length = head.lower().partition(b"inference-header-content-length: ")[2].partition(b"\r\n")[0]
    action = Action.TFS_PREDICT if codec is TfServingCodec else Action.V2_INFER
    return layer_of(meta).decode(action, body, int(length) if length else None, max_rows)


@pytest.mark.parametrize("codec", [OpenInferenceJsonCodec, OpenInferenceBinaryCodec, TfServingCodec])
@pytest.mark.parametrize(
    ("meta", "item"),
    [
        (SOUND, np.array([-32768, 0, 32767], np.int16)),
        (SOUND, np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int16)),
        (FRAMES, np.array([[0.5, 1], [2, 3], [4, 5]], np.float32)),
        (IMAGE, np.array([[0, 255], [7, 8]], np.uint8)),
    ],
    ids=["sound", "two rows", "frames", "image"],
)
def test_client_and_server_agree(codec: Any, meta: BankMeta, item: np.ndarray) -> None:
    request = sent(meta, codec, item)
    rows = item if item.ndim > len(meta.input_shape) else item[None]
    assert (request.rows, request.shape) == (rows.shape[0], rows.shape[1:])
    assert request.tensor == rows.tobytes()


@pytest.mark.parametrize("codec", [OpenInferenceJsonCodec, OpenInferenceBinaryCodec, TfServingCodec])
@pytest.mark.parametrize("length", [0, 1, 6], ids=["empty", "too short", "too long"])
def test_a_row_of_an_impossible_length_is_refused(codec: Any, length: int) -> None:
    with pytest.raises(ProtocolError, match=r"\[k, 2\.\.5\]") as refused:
        sent(SOUND, codec, np.zeros(length, np.int16))
    assert refused.value.status == 400


@pytest.mark.parametrize("values", [[1, 40000], [1, 1.5], [1, "a"], [1, None]])
def test_a_value_that_the_type_cannot_hold_is_refused(values: list[Any]) -> None:
    tensor = {"name": "input", "shape": [1, 2], "datatype": "INT16", "data": values}
    with pytest.raises(ProtocolError, match="2 whole numbers of int16"):
        layer_of(SOUND).decode(Action.V2_INFER, json.dumps({"inputs": [tensor]}).encode(), None, 8)


def test_rows_of_different_lengths_in_one_request_are_refused() -> None:
    body = json.dumps({"instances": [[1, 2], [1, 2, 3]]}).encode()
    with pytest.raises(ProtocolError, match="needs 2 whole numbers"):
        layer_of(SOUND).decode(Action.TFS_PREDICT, body, None, 8)


@pytest.mark.parametrize("shape", [[1, True], [1, 2.0], [1], [1, 2, 1], "x", None, [0, 2], [1, -1]])
def test_a_shape_that_is_none_is_refused(shape: Any) -> None:
    tensor = {"name": "input", "shape": shape, "datatype": "INT16", "data": [1, 2]}
    with pytest.raises(ProtocolError, match="shape must be"):
        layer_of(SOUND).decode(Action.V2_INFER, json.dumps({"inputs": [tensor]}).encode(), None, 8)


def test_metadata_names_type_and_free_axis() -> None:
    layer = layer_of(FRAMES)
    assert layer.v2_metadata()["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, -1, 2]}]
    described = json.loads(layer_of(IMAGE).document(Action.TFS_METADATA, ready=True)[1])
    given = described["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["input"]
    assert given["dtype"] == "DT_UINT8"
