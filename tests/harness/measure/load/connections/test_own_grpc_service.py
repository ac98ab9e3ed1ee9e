"""Calls of a gRPC service that nobody here knows: described by its file or by itself, sent and read as JSON."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
from grpc_reflection.v1alpha import reflection

from harness.errors import UserError
from harness.measure.target.own_requests import own_bank, service_bank
from harness.wire.grpc.own_service import OwnServiceCodec
from harness.wire.grpc.reflection import reflected
from harness.wire.grpc.service_description import compiled, document_of, unary_method
from harness.wire.own.own_request import OwnRequest
from harness.wire.server_probe import ask_once
from harness.wire.server_url import parse_url

pytestmark = pytest.mark.process

PARTS = 'syntax = "proto3"; package shop; message Word { string text = 1; repeated float weights = 2; }'
PROTO = """
syntax = "proto3";
package shop;
import "parts.proto";
import "google/protobuf/timestamp.proto";
enum Kind { SHORT = 0; LONG = 1; }
message Request { Word word = 1; int64 id = 2; }
message Reply { Kind kind = 1; int64 id = 2; map<string, double> scores = 3; bytes raw = 4; optional int32 absent = 5;
                repeated Word words = 6; google.protobuf.Timestamp at = 7; string error = 8; }
service Labels { rpc Label(Request) returns (Reply); rpc Watch(Request) returns (stream Reply); }
"""
METHOD = "shop.Labels/Label"


@pytest.fixture(scope="module")
def proto(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proto")
    (folder / "parts.proto").write_text(PARTS)
    (folder / "shop.proto").write_text(PROTO)
    return str(folder / "shop.proto")


@pytest.fixture(scope="module")
def server(proto):
    """Labels words of more than four letters as long; refuses words without a letter. It describes itself."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    description = compiled(proto)
    method = unary_method(description, METHOD)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(description).file:
        pool.Add(file)

    def label(request, context):
        if not request.word.text:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a word has letters")
        if request.word.text == "large":
            return method.response(error="CUDA out of memory", id=13)
        kind = int(len(request.word.text) > 4)
        return method.response(kind=kind, id=request.id, scores={"long": 0.25}, raw=b"\x01", words=[request.word])

    handler = grpc.unary_unary_rpc_method_handler(
        label,
        request_deserializer=method.request.FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )
    started = grpc.server(ThreadPoolExecutor(4))
    started.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Labels", {"Label": handler}),))
    reflection.enable_server_reflection(("shop.Labels", reflection.SERVICE_NAME), started, pool)
    port = started.add_insecure_port("127.0.0.1:0")
    started.start()
    yield SimpleNamespace(url=f"grpc://127.0.0.1:{port}", proto=proto)
    started.stop(None)


def bank_of(server, body, expect="", **more):
    request = OwnRequest(**{"method": METHOD, "body": body, "proto": server.proto} | more)
    return service_bank(own_bank(request, expect, "m"), request, server.url)


def test_a_message_becomes_a_document_with_the_names_of_its_fields(proto):
    reply = unary_method(compiled(proto), METHOD).response
    message = reply(kind=1, id=2**40, scores={"a": 0.5}, raw=b"\x01\x02")
    message.words.add(text="x", weights=[0.5])
    assert document_of(message) == {
        "kind": "LONG", "id": 2**40, "scores": {"a": 0.5}, "raw": "AQI=", "words": [{"text": "x", "weights": [0.5]}],
        "error": "",
    }  # fmt: skip


def test_the_server_describes_itself_as_its_file_does(server):
    by_server = unary_method(reflected(parse_url(server.url), "shop.Labels"), METHOD)
    by_file = unary_method(compiled(server.proto), METHOD)
    assert by_server.path == by_file.path == "/shop.Labels/Label"
    names = [[field.name for field in each.response.DESCRIPTOR.fields] for each in (by_server, by_file)]
    assert names[0] == names[1]


@pytest.mark.parametrize("described", ["by its file", "by itself"])
def test_a_load_calls_the_method_and_checks_every_reply(server, bench, tmp_path, described):
    expect = "$.kind = SHORT, $.id = 7, $.scores.long < 0.5, $.words[*].text = abc"
    more = {"proto": ""} if described == "by itself" else {}
    bank = bank_of(server, '{"word": {"text": "abc"}, "id": 7}', expect, **more)
    ask_once(server.url, "grpc-method", bank, expect)
    bank.save(tmp_path / "own.npz")
    given = {"protocol": "grpc-method", "bank": str(tmp_path / "own.npz"), "expect": expect}
    rows, report = bench(server.url, **given).run(20)
    assert (report.ok, report.checked) == (len(rows), len(rows))
    assert {row["status"] for row in rows} == {200}


def test_a_reply_that_is_not_as_expected_is_wrong(server, bench, tmp_path):
    bank_of(server, '{"word": {"text": "long one"}}').save(tmp_path / "own.npz")
    given = {"protocol": "grpc-method", "bank": str(tmp_path / "own.npz"), "expect": "$.kind = SHORT"}
    rows, report = bench(server.url, **given).run(5)
    assert report.wrong == len(rows)


def test_a_reply_whose_fields_report_a_failure_is_an_error_in_its_words(server, bench, tmp_path):
    bank_of(server, '{"word": {"text": "large"}}').save(tmp_path / "own.npz")
    rows, report = bench(server.url, protocol="grpc-method", bank=str(tmp_path / "own.npz")).run(5)
    assert (report.error, report.errors) == (len(rows), {"no answer: CUDA out of memory": len(rows)})


def test_a_refused_call_is_quoted_before_the_load(server):
    with pytest.raises(UserError, match=r"first call of shop\.Labels/Label was refused \(gRPC INVALID_ARGUMENT: a"):
        ask_once(server.url, "grpc-method", bank_of(server, '{"word": {"text": ""}}'))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "shop.Labels/Lable"}, "did you mean 'shop.Labels/Label'"),
        ({"method": "shop.Labels/Watch"}, "it streams"),
        ({"method": "POST"}, "--method POST: name one of shop.Labels/Label"),
        ({"body": '{"wort": 1}'}, 'no shop.Request in JSON.*"wort"'),
        ({"body": "[1]"}, "no shop.Request in JSON"),
        ({"proto": "nothing.proto"}, "no such file"),
        ({"proto": "", "method": "shop.Other/Label"}, "no service 'shop.Other', but .*shop.Labels"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(server, changes, says):
    with pytest.raises(UserError, match=says):
        bank_of(server, **{"body": "{}"} | changes)


def test_a_proto_that_cannot_be_compiled_is_quoted(tmp_path):
    (tmp_path / "bad.proto").write_text('syntax = "proto3"; message A { strin a = 1; }')
    with pytest.raises(UserError, match='"strin" is not'):
        compiled(str(tmp_path / "bad.proto"))


def test_without_a_description_the_codec_says_what_is_missing():
    from harness.wire.payload_bank import BankMeta

    with pytest.raises(UserError, match=r"--method package\.Service/Method"):
        OwnServiceCodec(parse_url("grpc://h:1"), BankMeta(model="m", input_shape=(), output_shape=()))


def test_the_description_travels_with_the_payloads(server, tmp_path):
    from harness.wire.payload_bank import Bank

    bank_of(server, '{"word": {"text": "abc"}, "id": 7}').save(tmp_path / "own.npz")
    bank = Bank.load(tmp_path / "own.npz")
    codec = OwnServiceCodec(parse_url(server.url), bank.meta)
    reply = unary_method(bank.meta.request.descriptors, METHOD).response(id=3)
    assert json.loads(codec.readable(reply.SerializeToString()))["id"] == 3


@pytest.mark.parametrize(("method", "begins"), [("", "--method: "), ("Label", "--method Label: ")])
@pytest.mark.parametrize("described", ["by its file", "by itself"])
def test_without_a_whole_name_the_methods_that_can_be_measured_are_listed(server, method, begins, described):
    proto = server.proto if described == "by its file" else ""
    with pytest.raises(UserError) as caught:
        bank_of(server, "{}", method=method, proto=proto)
    assert str(caught.value) == f"{begins}name one of shop.Labels/Label"  # Watch streams
