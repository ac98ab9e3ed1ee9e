from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from targets.servers.http.routes import Action
from targets.servers.model_call import BatchResult
from targets.servers.protocols.errors import ProtocolError
from targets.servers.protocols.inference import BatchOutputs
from targets.servers.protocols.protocol import ProtocolLayer
from targets.servers.protocols.wire_model import WireModel
from targets.servers.replica_counts import ReplicaCounts
from targets.servers.telemetry import Telemetry

if TYPE_CHECKING:
    from pathlib import Path

    from harness.record.model_card import ModelCard
    from harness.wire.payload_bank import BankMeta

ANSWERS = BatchOutputs(np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], np.float32))


@pytest.fixture
def layer(meta: BankMeta, card: ModelCard) -> ProtocolLayer:
    return ProtocolLayer(WireModel(meta, card), Telemetry())


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [0.5, 1, 2], **changes}


def v2(layer: ProtocolLayer, document: Any, raw: bytes = b"", max_rows: int = 8) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return layer.decode(Action.V2_INFER, body + raw, len(body) if raw else None, max_rows)


def tfs(layer: ProtocolLayer, document: Any, max_rows: int = 8) -> Any:
    return layer.decode(Action.TFS_PREDICT, json.dumps(document).encode(), None, max_rows)


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def test_v2_json_in_and_out(layer: ProtocolLayer) -> None:
    request = v2(layer, {"inputs": [tensor()]})
    assert (request.rows, request.tensor) == (1, floats(0.5, 1, 2))
    headers, body = request.form.write(ANSWERS, 1, 2)
    assert headers == b"content-type: application/json\r\n"
    assert json.loads(body) == {
        "model_name": "tiny",
        "model_version": "1",
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 0.5]}],
    }


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]], ids=["flat", "nested"])
def test_v2_several_rows_and_an_id(layer: ProtocolLayer, data: list[Any]) -> None:
    request = v2(layer, {"id": 'a"b', "inputs": [tensor(shape=[2, 3], data=data)]})
    assert (request.rows, request.tensor) == (2, floats(1, 2, 3, 4, 5, 6))
    answer = json.loads(request.form.write(ANSWERS, 0, 2)[1])
    assert answer["id"] == 'a"b'
    assert answer["outputs"][0]["shape"] == [2, 2]
    assert answer["outputs"][0]["data"] == [0.25, 0.75, 0.5, 0.5]


def test_v2_binary_in_and_out(layer: ProtocolLayer) -> None:
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    document = {"inputs": [binary], "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}
    request = v2(layer, document, floats(7, 8, 9))
    assert request.tensor == floats(7, 8, 9)
    headers, body = request.form.write(ANSWERS, 0, 1)
    length = int(headers.partition(b"inference-header-content-length: ")[2])
    assert json.loads(body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert body[length:] == floats(0.25, 0.75)


def test_v2_binary_in_and_json_out(layer: ProtocolLayer) -> None:
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    request = v2(layer, {"inputs": [binary]}, floats(7, 8, 9))
    assert json.loads(request.form.write(ANSWERS, 0, 1)[1])["outputs"][0]["data"] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"instances": [[1, 2, 3]]}, {"predictions": [[0.25, 0.75]]}),
        ({"instances": [{"input": [1, 2, 3]}]}, {"predictions": [[0.25, 0.75]]}),
        ({"inputs": [[1, 2, 3]]}, {"outputs": [[0.25, 0.75]]}),
        ({"inputs": {"input": [[1, 2, 3]]}, "signature_name": "serving_default"}, {"outputs": [[0.25, 0.75]]}),
    ],
)
def test_tfs_forms(layer: ProtocolLayer, document: dict[str, Any], answer: dict[str, Any]) -> None:
    request = tfs(layer, document)
    assert (request.rows, request.tensor) == (1, floats(1, 2, 3))
    assert json.loads(request.form.write(ANSWERS, 0, 1)[1]) == answer


BAD_V2 = {
    "no JSON": b"{",
    "not an object": [1],
    "no inputs": {},
    "two inputs": {"inputs": [tensor(), tensor()]},
    "an input that is no object": {"inputs": [3]},
    "another input's name": {"inputs": [tensor(name="image")]},
    "another datatype": {"inputs": [tensor(datatype="INT8")]},
    "no shape": {"inputs": [tensor(shape=None)]},
    "an empty shape": {"inputs": [tensor(shape=[])]},
    "a shape without batch axis": {"inputs": [tensor(shape=[3])]},
    "no rows": {"inputs": [tensor(shape=[0, 3], data=[])]},
    "rows that are no number": {"inputs": [tensor(shape=[True, 3])]},
    "a wrong shape": {"inputs": [tensor(shape=[1, 4], data=[1, 2, 3, 4])]},
    "too few values": {"inputs": [tensor(data=[1, 2])]},
    "no data": {"inputs": [tensor(data=None)]},
    "a string among the numbers": {"inputs": [tensor(data=[1, "2", 3])]},
    "null among the numbers": {"inputs": [tensor(data=[1, None, 3])]},
    "true among the numbers": {"inputs": [tensor(data=[1, True, 3])]},
    "NaN": b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[1,NaN,3]}]}',
    "Infinity": b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[1,1e999,3]}]}',
    "more than float32 holds": {"inputs": [tensor(data=[1, 1e39, 3])]},
    "ragged rows": {"inputs": [tensor(shape=[2, 3], data=[[1, 2, 3], [4, 5]])]},
    "fewer rows than declared": {"inputs": [tensor(shape=[2, 3], data=[[1, 2, 3]])]},
    "more rows than a batch takes": {"inputs": [tensor(shape=[9, 3], data=[0] * 27)]},
    "another output": {"inputs": [tensor()], "outputs": [{"name": "logits"}]},
    "outputs that are no list": {"inputs": [tensor()], "outputs": 5},
}


@pytest.mark.parametrize("document", BAD_V2.values(), ids=BAD_V2)
def test_v2_refuses(layer: ProtocolLayer, document: Any) -> None:
    with pytest.raises(ProtocolError) as refused:
        v2(layer, document)
    assert refused.value.status == 400


@pytest.mark.filterwarnings("ignore:invalid value encountered in dot")  # pytest undoes the module's own
@pytest.mark.parametrize(
    ("size", "raw"),
    [(12, floats(1, 2)), (8, floats(1, 2)), (12, floats(1, float("nan"), 3)), (12, floats(1, float("inf"), 3))],
    ids=["shorter than declared", "shorter than its shape", "NaN", "Infinity"],
)
def test_v2_refuses_bad_binary(layer: ProtocolLayer, size: int, raw: bytes) -> None:
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    with pytest.raises(ProtocolError) as refused:
        v2(layer, {"inputs": [binary]}, raw)
    assert refused.value.status == 400


@pytest.mark.filterwarnings("ignore:invalid value encountered in dot")  # pytest undoes the module's own
@pytest.mark.parametrize(
    ("raw", "max_rows"),
    [(floats(1, 2), 8), (floats(1, 2, 3, 4), 8), (floats(1, float("nan"), 3), 8), (floats(1, 2, 3), 0)],
    ids=["shorter", "longer", "NaN", "more rows than a batch takes now"],
)
def test_a_binary_request_is_looked_at_even_where_its_head_is_known(
    layer: ProtocolLayer, raw: bytes, max_rows: int
) -> None:
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    head = json.dumps({"inputs": [binary]}).encode()
    for values in (floats(1, 2, 3), floats(4, 5, 6)):
        request = layer.decode(Action.V2_INFER, head + values, len(head), 8)
        assert (request.tensor, request.rows, request.shape) == (values, 1, (3,))
    with pytest.raises(ProtocolError) as refused:
        layer.decode(Action.V2_INFER, head + raw, len(head), max_rows)
    assert refused.value.status == 400


def test_an_id_is_answered_with_its_own(layer: ProtocolLayer) -> None:
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    forms = [v2(layer, {"id": name, "inputs": [binary]}, floats(1, 2, 3)).form for name in ("a", "b", "a")]
    assert [json.loads(form.prefix + b"]}]}")["id"] for form in forms] == ["a", "b", "a"]


def test_huge_but_finite_binary_values_are_right(layer: ProtocolLayer) -> None:
    """Their squares are not finite in float32, they are."""
    binary = {"name": "input", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    assert v2(layer, {"inputs": [binary]}, floats(3e38, -3e38, 1)).tensor == floats(3e38, -3e38, 1)


def test_v2_refuses_a_json_length_beyond_the_body(layer: ProtocolLayer) -> None:
    with pytest.raises(ProtocolError):
        layer.decode(Action.V2_INFER, b"{}", 3, 8)


BAD_TFS = {
    "neither instances nor inputs": {},
    "both": {"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]},
    "no rows": {"instances": []},
    "one row without its list": {"instances": [1, 2, 3]},
    "a short row": {"instances": [[1, 2]]},
    "a row that is a text": {"instances": ["abc"]},
    "false among the numbers": {"instances": [[1, False, 3]]},
    "another input": {"instances": [{"image": [1, 2, 3]}]},
    "another signature": {"instances": [[1, 2, 3]], "signature_name": "other"},
    "more rows than a batch takes": {"instances": [[1, 2, 3]] * 9},
}


@pytest.mark.parametrize("document", BAD_TFS.values(), ids=BAD_TFS)
def test_tfs_refuses(layer: ProtocolLayer, document: Any) -> None:
    with pytest.raises(ProtocolError) as refused:
        tfs(layer, document)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v3", 404),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("GET", "/v2/models/tiny/versions/2", 404),
        ("GET", "/v2/models/tiny/infer", 405),
        ("DELETE", "/v2/models/tiny", 405),
        ("POST", "/metrics", 405),
    ],
)
def test_routes_refuse(layer: ProtocolLayer, method: str, path: str, status: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        layer.routes.find(method, path)
    assert refused.value.status == status


def test_routes_name_the_model_that_is_there(layer: ProtocolLayer) -> None:
    with pytest.raises(ProtocolError, match="unknown model 'other': this server has 'tiny'"):
        layer.routes.find("POST", "/v1/models/other:predict")


@pytest.mark.parametrize(
    "path", ["/v2/models/tiny/infer", "/v2/models/tiny/versions/1/infer", "/v2/models/tiny/infer?x=1"]
)
def test_routes_take_a_version_and_a_query(layer: ProtocolLayer, path: str) -> None:
    assert layer.routes.find("POST", path) is Action.V2_INFER


def test_ready_says_no_while_it_stops(layer: ProtocolLayer) -> None:
    assert json.loads(layer.document(Action.READY, ready=True)[1])["ready"] is True
    with pytest.raises(ProtocolError) as refused:
        layer.document(Action.READY, ready=False)
    assert refused.value.status == 503


def test_tritons_statistics_are_those_of_all_replicas(meta: BankMeta, card: ModelCard, tmp_path: Path) -> None:
    counted = [Telemetry(replica_counts=ReplicaCounts(tmp_path, index)) for index in range(2)]
    for telemetry, rows in zip(counted, (3, 5), strict=True):
        for size in (2, rows):
            done = BatchResult([], size, preprocess_ns=10, stages_ns=(rows,), serialise_ns=1, timing=b"")
            telemetry.count_batch(done, [100])
        telemetry.count_error(500)
    counted[1].publish()
    layer = ProtocolLayer(WireModel(meta, card), counted[0])
    stats = layer.model_statistics()["model_stats"][0]
    assert (stats["inference_count"], stats["execution_count"]) == (2 + 3 + 2 + 5, 4)
    assert stats["inference_stats"] == {
        "success": {"count": 4, "ns": 400 + 40 + 16 + 4},
        "fail": {"count": 2, "ns": 0},
        "queue": {"count": 4, "ns": 400},
        "compute_input": {"count": 4, "ns": 40},
        "compute_infer": {"count": 4, "ns": 3 + 3 + 5 + 5},
        "compute_output": {"count": 4, "ns": 4},
    }
    assert stats["batch_stats"] == [
        {"batch_size": 2, "compute_infer": {"count": 2, "ns": 3 + 5}},
        {"batch_size": 3, "compute_infer": {"count": 1, "ns": 3}},
        {"batch_size": 5, "compute_infer": {"count": 1, "ns": 5}},
    ]


def test_metrics_have_the_counted_values(layer: ProtocolLayer) -> None:
    telemetry = layer.telemetry
    telemetry.requests["ok"] += 3
    telemetry.count_error(503)
    telemetry.count_error(404)
    telemetry.batch_size.observe(3)
    telemetry.compute_ns.observe(2_000_000)
    lines = layer.document(Action.METRICS, ready=True)[1].decode().splitlines()
    for line in (
        'sweepspot_requests_total{outcome="ok"} 3.0',
        'sweepspot_requests_total{outcome="rejected"} 1.0',
        'sweepspot_requests_total{outcome="bad_request"} 1.0',
        'sweepspot_batch_size_bucket{le="2"} 0.0',
        'sweepspot_batch_size_bucket{le="4"} 1.0',
        "sweepspot_batch_size_sum 3.0",
        "sweepspot_compute_duration_seconds_sum 0.002",
        'sweepspot_compute_duration_seconds_bucket{le="0.001"} 0.0',
        'sweepspot_compute_duration_seconds_bucket{le="0.0025"} 1.0',
        "sweepspot_queue_length 0.0",
    ):
        assert line in lines
