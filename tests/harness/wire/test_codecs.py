import contextlib
import json

import numpy as np
import pytest

from harness.errors import UserError
from harness.wire.codec import HttpCodec, WireError, error_text
from harness.wire.grpc.messages import message
from harness.wire.http.open_inference import json_end
from harness.wire.payload_bank import BankMeta, random_bank
from harness.wire.protocols import make_codec
from harness.wire.server_url import ServerUrl, parse_url

META = BankMeta(model="my model", input_shape=(2, 3), output_shape=(2,), input_name="x", output_name="y")
URL = ServerUrl("127.0.0.1", 8000)
ITEM = np.array([[0.5, 1.25, -2], [0, 1e-7, 3]], np.float32)


def split(request):
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    return line, dict(header.lower().split(b": ", 1) for header in headers), body


def test_v2_json_is_what_the_protocol_says():
    line, headers, body = split(make_codec("v2", URL, META).encode(ITEM))
    assert line == b"POST /v2/models/my%20model/infer HTTP/1.1"
    assert headers[b"host"] == b"127.0.0.1:8000"
    assert headers[b"content-length"] == b"%d" % len(body)
    tensor = json.loads(body)["inputs"][0]
    assert (tensor["name"], tensor["shape"], tensor["datatype"]) == ("x", [1, 2, 3], "FP32")
    assert np.array(tensor["data"], np.float32).tolist() == ITEM.reshape(-1).tolist()


def test_v2_binary_puts_the_bytes_behind_the_json():
    _, headers, body = split(make_codec("v2-binary", URL, META).encode(ITEM))
    length = int(headers[b"inference-header-content-length"])
    document = json.loads(body[:length])
    assert document["inputs"][0]["parameters"] == {"binary_data_size": 24}
    assert body[length:] == ITEM.astype("<f4").tobytes()


def test_tfs_keeps_the_shape():
    line, _, body = split(make_codec("tfs", ServerUrl("h", 1, "/pre"), META).encode(ITEM))
    assert line == b"POST /pre/v1/models/my%20model:predict HTTP/1.1"
    assert np.array(json.loads(body)["instances"]).shape == (1, 2, 3)


def test_whole_number_types_are_sent_as_such():
    meta = BankMeta(model="m", input_shape=(2,), output_shape=(1,), datatype="INT64")
    item = np.array([3, 4], np.float32)
    _, _, body = split(make_codec("v2", URL, meta).encode(item))
    assert b'"data":[3,4]' in body
    _, _, body = split(make_codec("tfs", URL, meta).encode(item))
    assert b"[[3,4]]" in body


@pytest.mark.parametrize("data", [[1.5, 2], [[1.5, 2]]])
def test_v2_answers_flat_or_nested(data):
    body = json.dumps({"outputs": [{"name": "z", "data": [9]}, {"name": "y", "data": data}]}).encode()
    assert make_codec("v2", URL, META).decode(body).tolist() == [1.5, 2.0]


def test_v2_binary_answers_binary_or_json():
    codec = make_codec("v2-binary", URL, META)
    first, second = np.array([7], "<f8").tobytes(), np.array([1.5, 2], "<f4").tobytes()
    head = json.dumps({"outputs": [
        {"name": 'a"}{', "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}},
        {"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}]}).encode()  # fmt: skip
    assert codec.decode(head + first + second).tolist() == [1.5, 2.0]
    assert codec.decode(json.dumps({"outputs": [{"name": "y", "data": [1, 2]}]}).encode()).tolist() == [1.0, 2.0]
    with pytest.raises(WireError):
        codec.decode(head + first + second[:-1])


def test_the_end_of_the_json_object_is_found():
    for document in ({}, {"a": "}\\"}, {"a": ['"', {"b": "{["}]}):
        text = json.dumps(document).encode()
        assert json_end(text + b"}\x00{") == len(text)


def test_tfs_answers():
    codec = make_codec("tfs", URL, META)
    assert codec.decode(b'{"predictions": [[1.5, 2]]}').tolist() == [1.5, 2.0]
    assert codec.decode(b'{"predictions": [{"y": [1.5, 2], "z": 1}]}').tolist() == [1.5, 2.0]


@pytest.mark.parametrize("protocol", ["http-json", "http-binary", "tfs", "grpc"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"outputs": []}',
        b'{"outputs": [{"name": "y"}]}',
        b'{"outputs": 3}',
        b'{"outputs": [{"name": "y", "data": ["a"]}]}',
        b'{"outputs": [{"name": "y", "data": [[1], [1, 2]]}]}',
        b'{"outputs": [{"name": "y", "data": null}]}',
        b'{"predictions": []}',
        b'{"predictions": [null]}',
        b'{"predictions": [[]]}',
        b'{"error": "no"}',
        b"\xff\xfe",
        b'{"outputs": [{"name": "y", "datatype": "XX", "parameters": {"binary_data_size": 8}}]}',
    ],
)
def test_what_is_no_answer_is_a_wire_error(protocol, body):
    with pytest.raises(WireError):
        make_codec(protocol, URL, META).decode(body)


def test_grpc_messages():
    codec = make_codec("grpc", URL, META)
    request = codec.encode(ITEM)
    assert b"/inference.GRPCInferenceService/ModelInfer" in request
    start = 9 + int.from_bytes(request[:3], "big") + 5
    sent = message("ModelInferRequest").FromString(request[start:])
    assert (sent.model_name, list(sent.inputs[0].shape)) == (META.model, [1, *META.input_shape])
    assert sent.raw_input_contents[0] == ITEM.tobytes()
    outputs = [{"name": "other", "datatype": "INT8"}, {"name": "y", "datatype": "FP32"}]
    raw = [b"\1", np.array([1.5, 2], "<f4").tobytes()]
    answer = message("ModelInferResponse")(outputs=outputs, raw_output_contents=raw)
    assert codec.decode(answer.SerializeToString()).tolist() == [1.5, 2.0]
    outputs[1]["contents"] = {"fp32_contents": [1.5, 2]}
    answer = message("ModelInferResponse")(outputs=outputs)
    assert codec.decode(answer.SerializeToString()).tolist() == [1.5, 2.0]
    assert codec.describe(503, b"UNAVAILABLE: full") == "gRPC UNAVAILABLE: full"
    assert codec.describe(503, b"UNAVAILABLE: a\nb\x1b[2J" + b"!" * 999).startswith("gRPC UNAVAILABLE: a b\\x1b[2J!!")
    assert len(codec.describe(503, b"!" * 999)) < 200


def test_protocols_have_other_names_too():
    assert make_codec("v2", URL, META).name == make_codec("http-json", URL, META).name == "http-json"
    assert make_codec("v2-binary", URL, META).name == make_codec("http-binary", URL, META).name == "http-binary"


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown protocol 'v3'.*v2"):
        make_codec("v3", URL, META)


def test_error_texts_are_short_single_lines():
    assert error_text(b'{"error": "no\\n such  model"}') == "no such model"
    assert len(error_text(json.dumps({"error": "x" * 5000}).encode())) == 120
    assert [error_text(body) for body in (b"", b"<html>", b"[]", b'{"error": 3}')] == [""] * 4


def test_urls():
    assert parse_url("http://[::1]:81/a/") == ServerUrl("::1", 81, "/a")
    assert parse_url("http://x") == ServerUrl("x", 80)
    assert parse_url("http://x/a/?q=1").path == "/a/?q=1"
    assert ServerUrl("::1", 81).authority == "[::1]:81"
    for bad in ("x:80", "smtp://x", "http://", "http://x:99999", "http://x?q=ü", "ftp://x", "http://x/ü"):
        with pytest.raises(UserError) as caught:
            parse_url(bad)
        assert caught.value.message({"server": "--host"}).startswith(f"--host {bad}: ")


def test_random_payloads_are_seeded_and_of_the_right_shape():
    bank = random_bank(META, seed=4)
    assert bank.inputs.shape == (256, 2, 3)
    assert len({item.tobytes() for item in bank.inputs}) == 256
    assert (random_bank(META, seed=4).inputs == bank.inputs).all()
    whole = random_bank(BankMeta(model="m", input_shape=(2,), output_shape=(1,), datatype="INT32"), 1)
    assert set(np.unique(whole.inputs)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("v2", b'{"outputs":[{"name":"other","datatype":"FP32","data":[1,2]}]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"BYTES","data":["cat"]}],"error":null}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"BYTES","data":["cat"]},{"datatype":"BYTES","data":[""]}]}'),
        ("v2-binary", b'{"outputs":[{"name":"y","datatype":"FP32","parameters":{"binary_data_size":4}}]}\0\0\0\0'),
        ("tfs", b'{"predictions":[{"label":"cat"}]}'),
        ("tfs", b'{"outputs":[[1.0]]}'),
        ("json:/p?take=result.label", b'{"result":{"label":"cat"}}'),
        ("json:/p?take=outputs.0", b'{"outputs":[0]}'),
        ("json:/p", b'{"label":"cat","score":0.5}'),
        ("json:/p", b'{"error":0.25}'),
        ("json:/p", b'{"message":"done"}'),
    ],
)
def test_an_answer_need_not_be_numbers_of_the_bank(protocol, body):
    make_codec(protocol, URL, META).require_answer(body)


@pytest.mark.parametrize("protocol", ["v2", "v2-binary", "tfs", "json:/p?take=outputs.0", "json:/p"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"CUDA out of memory"}', "CUDA out of memory"),
        (b'{"error":{"message":"no room","code":500}}', "no room"),
        (b'{"detail":"Not found"}', "Not found"),
        (b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>", "a web page: Sign in"),
        (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "a web page: 502 Bad Gateway"),
        (b"", "an empty body"),
    ],
)
def test_a_body_that_reports_a_failure_is_no_answer_and_is_quoted(protocol, body, said):
    with pytest.raises(WireError) as raised:
        make_codec(protocol, URL, META).require_answer(body)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("v2", b'{"outputs":[]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"FP32","data":[null]}]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"FP32","data":[NaN]}]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"BYTES","shape":[1],"data":[""]}]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"BYTES","shape":[1,2],"data":[["", ""]]}]}'),
        ("v2-binary", b'{"outputs":[{"name":"y","datatype":"BYTES","shape":[1],"data":[""]}]}'),
        ("v2", b"busy"),
        ("tfs", b'{"predictions":[]}'),
        ("json:/p?take=outputs.0", b'{"outputs":[null]}'),
        ("json:/p", b'{"label":"a"'),
        ("json:/p", b"busy"),
        ("tfs", b'{"predictions":[null]}'),
        ("tfs", b'{"predictions":[[]]}'),
        ("tfs", b'{"predictions":[{"y":null}]}'),
        ("tfs", b'{"predictions":"busy"}'),
        ("json:/p?take=outputs.0", b'{"outputs":[[null]]}'),
        ("json:/p?take=outputs.0", b'{"outputs":[[[]]]}'),
        ("v2", b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1,1000],"data":[1]}]}'),
    ],
)
def test_a_body_without_data_is_no_answer(protocol, body):
    with pytest.raises(WireError, match="body is"):
        make_codec(protocol, URL, META).require_answer(body)


FAILURES = [
    (b'{"code":50001,"msg":"quota exceeded","data":null}', "quota exceeded"),
    (b'{"code":"50001","message":"quota exceeded","data":{}}', "quota exceeded"),
    (b'{"errcode":40001,"errmsg":"invalid credential"}', "invalid credential"),
    (b'{"err":"CUDA out of memory"}', "CUDA out of memory"),
    (b'{"Error":"CUDA out of memory"}', "CUDA out of memory"),
    (b'{"ErrorMessage":"CUDA out of memory","label":"a"}', "CUDA out of memory"),
    (b'{"ok":false,"reason":"no model"}', "no model"),
    (b'{"success":"false","message":"no model"}', "no model"),
    (b'{"ret":-1,"result":null}', "{'ret': -1, 'result': None}"),
    (b'{"fault":{"faultstring":"Rate limit quota violation"}}', "Rate limit quota violation"),
    (b'{"errorCode":503,"errorText":"busy"}', "busy"),
    (b'{"message":"Endpoint request timed out"}', "Endpoint request timed out"),
    (b'{"results":[{"error":"CUDA out of memory"}]}', "CUDA out of memory"),
    (b'{"results":[{"status":500,"error":"oom"},{"status":500,"error":"oom"}]}', "oom"),
    (b'{"traceback":"ZeroDivisionError"}', "ZeroDivisionError"),
    (b'{"id":"x1","status":"starting","output":null}', "the result comes later, it is starting"),
    (b'{"task_id":"x1","state":"IN_QUEUE"}', "the result comes later, it is IN_QUEUE"),
    (b"{}", "an empty document"),
    (b"null", "an empty document"),
    (b'{"result":null}', "an empty document"),
    (b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>',
     '<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>'),
    (b"<s:Envelope><s:Body><s:Fault>x</s:Fault></s:Body></s:Envelope>",
     "<s:Envelope><s:Body><s:Fault>x</s:Fault></s:Body></s:Envelope>"),
    (b'<?xml version="1.0"?><!DOCTYPE html><html><title>Sign in</title></html>', "a web page: Sign in"),
    (b"<!-- nginx -->\n<html><title>502</title></html>", "a web page: 502"),
    (b"upstream connect error or disconnect/reset before headers. reset reason: overflow",
     "upstream connect error or disconnect/reset before headers. reset reason: overflow"),
    (b"Internal Server Error\n", "Internal Server Error"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), FAILURES, ids=range(len(FAILURES)))
def test_a_service_of_ones_own_that_reports_a_failure_in_any_usual_form_is_quoted(body, said):
    with pytest.raises(WireError) as raised:
        HttpCodec().require_answer(body)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":0,"msg":"ok","data":{"label":"a"}}',
        b'{"code":200,"msg":"success","data":null}',
        b'{"errcode":0,"errmsg":"ok"}',
        b'{"err":0.02,"mean":1}',
        b'{"error":"none","label":"a"}',
        b'{"errorCode":"0","label":"a"}',
        b'{"error":null}',
        b'{"errors":[]}',
        b'{"ok":false,"score":0.1}',
        b'{"fault":"bearing","score":0.9}',
        b'{"status":"pending","score":0.9}',
        b'{"status":"pending"}',
        b'{"boxes":[]}',
        b"[]",
        b'{"message":"The error in your code is the timed out request."}',
        b'{"results":[{"error":"oom"},{"label":"a"}]}',
        b'{"label":"not found","code":404}',
        b"0",
        b"not found: 3 of 4",
        b"<svg></svg>",
        b'<?xml version="1.0"?><prediction>error</prediction>',
    ],
)
def test_answers_that_only_resemble_a_failure_are_answers(body):
    HttpCodec().require_answer(body)


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("v2", b'{"outputs":[{"name":"y","datatype":"FP32","data":[1,2]}],"error":"shard 3 timed out"}'),
        ("tfs", b'{"predictions":[[1.0]],"error":"shard 3 timed out"}'),
        ("json:/p?take=outputs.0", b'{"outputs":[1],"error":"shard 3 timed out"}'),
    ],
)
def test_a_failure_beside_a_result_is_a_failure(protocol, body):
    with pytest.raises(WireError, match=r"^shard 3 timed out$"):
        make_codec(protocol, URL, META).require_answer(body)


def binary(size, data, datatype="FP32"):
    head = {"outputs": [{"name": "y", "datatype": datatype, "parameters": {"binary_data_size": size}}]}
    return json.dumps(head).encode() + data


NAN = np.array([np.nan, np.nan], np.float32).tobytes()


@pytest.mark.parametrize(
    "body", [binary(8, b""), binary(8, b"\0" * 4), binary(8, NAN), binary(0, b""), binary(8, b"\0" * 8, "BYTES")]
)
def test_binary_data_that_are_cut_short_or_hold_nothing_are_no_answer(body):
    with pytest.raises(WireError, match="body is"):
        make_codec("v2-binary", URL, META).require_answer(body)


@pytest.mark.parametrize(
    "body", [binary(8, b"\0" * 8), binary(8, NAN[:4] + b"\0" * 4), binary(7, b"\3\0\0\0cat", "BYTES")]
)
def test_binary_data_that_are_whole_are_an_answer(body):
    make_codec("v2-binary", URL, META).require_answer(body)


@pytest.mark.parametrize(
    ("more", "is_answer"),
    [
        ({"raw_output_contents": [b"\0" * 8]}, True),
        ({"raw_output_contents": [b"\0" * 4]}, False),
        ({"raw_output_contents": [NAN]}, False),
        ({}, False),
    ],
)
def test_a_grpc_output_has_as_many_numbers_as_its_shape_says(more, is_answer):
    output = {"name": "y", "datatype": "FP32", "shape": [1, 2]}
    body = message("ModelInferResponse")(outputs=[output], **more).SerializeToString()
    codec = make_codec("grpc", parse_url("grpc://127.0.0.1:1"), META)
    if is_answer:
        codec.require_answer(body)
    else:
        with pytest.raises(WireError):
            codec.require_answer(body)


@pytest.mark.parametrize(
    ("output", "more", "is_answer"),
    [
        ({}, {"raw_output_contents": [b"\3\0\0\0cat"]}, True),
        ({}, {"raw_output_contents": [b"\0\0\0\0"]}, False),  # one empty text
        ({"contents": {"bytes_contents": [b"", b"cat"]}}, {}, True),
        ({"contents": {"bytes_contents": [b""]}}, {}, False),
        ({}, {}, False),
    ],
)
def test_a_grpc_output_of_texts_holds_one_that_is_not_empty(output, more, is_answer):
    output = {"name": "y", "datatype": "BYTES", "shape": [1], **output}
    body = message("ModelInferResponse")(outputs=[output], **more).SerializeToString()
    codec = make_codec("grpc", parse_url("grpc://127.0.0.1:1"), META)
    with contextlib.nullcontext() if is_answer else pytest.raises(WireError, match=r"every text .* is empty"):
        codec.require_answer(body)
