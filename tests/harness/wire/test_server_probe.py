import contextlib
import json

import pytest
from http_service import JsonHandler, served_by

from harness.errors import UserError
from harness.measure.target.own_requests import own_bank
from harness.wire.own.own_request import OwnRequest
from harness.wire.own.request_form import Content
from harness.wire.payload_bank import BankMeta, random_bank
from harness.wire.server_probe import ask_once, detect_protocol, read_meta

pytestmark = pytest.mark.process


@pytest.fixture
def server_with():
    def start(documents):
        class Handler(JsonHandler):
            def do_GET(self):
                known, document = self.path in documents, documents.get(self.path, {"error": "?"})
                self.send(
                    200 if known else 404, document if isinstance(document, bytes) else json.dumps(document).encode()
                )

        return servers.enter_context(served_by(Handler))

    with contextlib.ExitStack() as servers:
        yield start


V2 = {"name": "m", "inputs": [{"name": "in", "datatype": "FP32", "shape": [-1, 28, -1]}],
      "outputs": [{"name": "out", "datatype": "FP32", "shape": [-1, 10]}]}  # fmt: skip


def tfs_tensor(*sizes):
    return {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": str(size)} for size in sizes]}}


TFS = {"metadata": {"signature_def": {"signature_def": {"serving_default": {
    "inputs": {"in": tfs_tensor(-1, 64)}, "outputs": {"out": tfs_tensor(-1, 10)}}}}}}  # fmt: skip


def test_each_protocol_is_recognised_by_its_own_paths(server_with):
    assert detect_protocol(server_with({"/v2/health/ready": {}}), "m") == "http-json"
    assert detect_protocol(server_with({"/v2": {}}), "m") == "http-json"
    assert detect_protocol(server_with({"/v1/models/m": {}}), "m") == "tfs"
    assert detect_protocol(server_with({"/x/v1/models/m": {}}) + "/x/", "m") == "tfs"


def test_a_chat_server_is_none_of_tensorflows(server_with):
    models = {"object": "list", "data": [{"id": "m", "object": "model"}]}
    assert detect_protocol(server_with({"/v1/models": models}), "m") == "openai"
    assert detect_protocol(server_with({"/v1/models": models, "/v1/models/m": models["data"][0]}), "m") == "openai"


def test_neither_is_told_with_the_remedy(server_with):
    with pytest.raises(UserError, match=r"no sign of a known protocol.*name the protocol: http-json, .*json:/predict"):
        detect_protocol(server_with({"/v1/models/other": {}}), "m")


def test_nobody_there():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UserError, match=r"no response .*refused"):
        detect_protocol(f"http://127.0.0.1:{port}", "m")


def test_metadata_of_both(server_with):
    meta = read_meta(server_with({"/v2/models/m": V2}), "m", "v2")
    assert (meta.input_name, meta.input_shape, meta.output_shape) == ("in", (28, -1), (10,))
    meta = read_meta(server_with({"/v1/models/m/metadata": TFS}), "m", "tfs")
    assert (meta.input_name, meta.datatype, meta.input_shape, meta.output_name) == ("in", "FP32", (64,), "out")


@pytest.mark.parametrize("document", [{}, [], {"inputs": []}, {"inputs": [{"name": 1}], "outputs": [{}]}, "text", None])
def test_metadata_that_cannot_be_read(server_with, document):
    with pytest.raises(UserError, match="give payloads with --bank FILE") as failure:
        read_meta(server_with({"/v2/models/m": document}), "m", "v2")
    assert "Error" not in str(failure.value)


def test_a_model_that_is_not_there(server_with):
    with pytest.raises(UserError, match=r"^model m: "):
        read_meta(server_with({}), "m", "v2")


def tensor_of(shape, **names):
    return {"name": "x", "datatype": "FP32", "shape": shape, **names}


@pytest.mark.parametrize(
    "given",
    [
        tensor_of([-1, 10**12]),
        tensor_of([-1, 1e300]),
        tensor_of([-1, 2.5]),
        tensor_of([2] * 1000),
        tensor_of({"a": 1}),
        tensor_of([-1, [[3]]]),
        tensor_of([-1, 4], name={"a": 1}),
        tensor_of([-1, 4], name="n" * 100_000),
        tensor_of([-1, 4], datatype=["FP32"]),
    ],
)
def test_metadata_beyond_the_bounds_are_refused_in_one_line(server_with, given):
    url = server_with({"/v2/models/m": {**V2, "inputs": [given]}})
    with pytest.raises(UserError) as refused:
        read_meta(url, "m", "http-json")
    assert 0 < len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("text", ["[" * 10_000 + "]" * 10_000, "1" * 5000, '{"inputs": [1e999]}', '"\\ud800"', "\xff"])
def test_metadata_that_are_no_readable_json_are_refused_in_one_line(server_with, text):
    url = server_with({"/v2/models/m": text.encode("latin-1")})
    with pytest.raises(UserError, match="cannot read what m takes"):
        read_meta(url, "m", "http-json")


def test_items_that_would_take_terabytes_are_refused():
    huge = BankMeta(model="m", input_shape=(2**30, 1024), output_shape=(1,))
    with pytest.raises(UserError, match=r"4\.4e\+12 bytes"):
        random_bank(huge, 1)
    assert len(random_bank(BankMeta(model="m", input_shape=(2**23,), output_shape=(1,)), 1, 100).inputs) == 32


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (201, b"")])
def test_the_advice_for_a_response_without_content_names_the_status_that_came(status, body):
    class Handler(JsonHandler):
        def do_GET(self):
            self.send(status, body)

    with served_by(Handler) as url:
        with pytest.raises(UserError, match=rf"HTTP {status}, is no answer .*say --expect status={status}$"):
            ask_once(f"{url}/x", "http", own_bank(OwnRequest(), "", "m"))
        ask_once(f"{url}/x", "http", own_bank(OwnRequest(), f"status={status}", "m"), f"status={status}")
        other = "status=203"
        with pytest.raises(UserError, match=rf"HTTP {status}, which --expect does not allow.*status={status}$"):
            ask_once(f"{url}/x", "http", own_bank(OwnRequest(), other, "m"), other)


@pytest.mark.parametrize(
    ("status", "words"),
    [(202, "result comes later"), (206, "a part of the response"), (207, "a status of its own")],
)
def test_a_status_that_says_that_no_whole_answer_came_is_a_refusal_unless_it_is_expected(status, words):
    class Handler(JsonHandler):
        def do_GET(self):
            self.answer(status, {"id": "x1", "status": "queued"})

    with served_by(Handler) as url:
        with pytest.raises(UserError, match=rf"HTTP {status}: .*{words}.*say --expect status={status}$"):
            ask_once(f"{url}/x", "http", own_bank(OwnRequest(), "", "m"))
        ask_once(f"{url}/x", "http", own_bank(OwnRequest(), f"status={status}", "m"), f"status={status}")


def test_a_report_of_a_failure_is_no_answer_though_only_its_status_is_expected():
    class Handler(JsonHandler):
        def do_GET(self):
            self.answer(404 if self.path == "/gone" else 200, {"error": "CUDA out of memory"})

    bank = own_bank(OwnRequest(), "status=200", "m")
    with served_by(Handler) as url:
        with pytest.raises(UserError, match=r"is no answer \(CUDA out of memory\); where it is right, say what"):
            ask_once(f"{url}/x", "http", bank, "status=200")
        ask_once(f"{url}/x", "http", bank, "$.error exists")
        ask_once(f"{url}/gone", "http", bank, "status=404")


def test_without_tls_behind_an_https_url_the_url_is_doubted():
    with served_by(JsonHandler) as url, pytest.raises(UserError, match="does it speak TLS"):
        ask_once(url.replace("http:", "https:") + "/x", "http", own_bank(OwnRequest(), "", "m"))


def typed(content, kind):
    class Handler(JsonHandler):
        def do_GET(self):
            self.send(200, content, kind)

    return served_by(Handler)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b'{"label": "a"'),
        ("application/json", b'{"label": "a"} and more'),
        ("application/json", b'{"label": "a"}\n{"label": "b"}\n'),
        ("application/json", b'{"label": NaN}'),
        ("application/json", b"{'label': 'a'}"),
        ("application/json", b"OK"),
        ("application/json", b""),
        ("application/json", '{"label": "gr\u00fcn"}'.encode("iso-8859-1")),
        ("Application/Problem+JSON; charset=utf-8", b'{"label": '),
        ("text/json", b"[1, 2"),
        ("application/x-ndjson", b'{"label": "a"}\n{"label": \n'),
        ("application/jsonl", b'{"label": "a"}\nbusy\n'),
    ],
)
def test_a_first_response_that_is_not_the_json_it_declares_is_refused(kind, content):
    with typed(content, kind) as url:
        with pytest.raises(UserError, match=r"HTTP 200, is no answer .*where it is right, say --expect status=200$"):
            ask_once(f"{url}/x", "http", own_bank(OwnRequest(), "", "m"))
        ask_once(f"{url}/x", "http", own_bank(OwnRequest(), "status=200", "m"), "status=200")


@pytest.mark.parametrize(
    ("kind", "content", "responds"),
    [
        ("application/json", b'\xef\xbb\xbf {"label": "a"}\n', Content.JSON),
        ("application/json", b"0.25", Content.JSON),
        ("application/json; charset=iso-8859-1", '{"label": "gr\u00fcn"}'.encode("iso-8859-1"), Content.JSON),
        ("application/json;charset=utf-16", '{"label": "a"}'.encode("utf-16"), Content.JSON),
        ("application/x-ndjson", b'{"label": "a"}\n\n{"label": "b"}\n', Content.JSON_LINES),
        ("", b'{"label": "a"}', Content.JSON),
        ("", b'{"label": "a"', Content.ANY),
        ("", b"0.25", Content.ANY),
        ("text/plain", b'{"label": "a"}', Content.ANY),
        ("text/plain", b"{a}", Content.ANY),
        ("application/octet-stream", b"\x00\xff", Content.ANY),
    ],
)
def test_what_the_first_response_declares_is_asked_of_all(kind, content, responds):
    with typed(content, kind) as url:
        bank = ask_once(f"{url}/x", "http", own_bank(OwnRequest(), "", "m")).bank
    assert bank.meta.request.responds is responds
