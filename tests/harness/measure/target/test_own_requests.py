"""Requests of the user's own: bodies, forms and files, filled from rows of data."""

import base64
import email
import json

import pytest

from harness.errors import UserError
from harness.measure.target.own_requests import own_bank
from harness.measure.target.payload_file import read_bodies
from harness.wire.credentials import HEADERS, Access
from harness.wire.own.own_request import OwnRequest
from harness.wire.payload_bank import Bank
from harness.wire.protocols import make_codec
from harness.wire.server_url import parse_url


def bank_of(expect="", **request):
    return own_bank(OwnRequest(**request), expect, "m")


def requests_of(bank, url="http://h:1/p?k=1", access=None):
    codec = make_codec("http", parse_url(url, access or Access()), bank.meta)
    return [codec.encode(item).decode("latin-1") for item in bank.inputs]


def test_a_text_body_is_sent_as_it_is():
    (request,) = requests_of(bank_of(body='{"a":  {"b": "{c}"}}'))
    head, _, body = request.partition("\r\n\r\n")
    assert head.split("\r\n") == [
        "POST /p?k=1 HTTP/1.1",
        "Host: h:1",
        "Content-Type: application/json",
        "Content-Length: 20",
    ]
    assert body == '{"a":  {"b": "{c}"}}'


def test_without_a_body_it_is_a_get_and_a_method_of_the_users_counts():
    assert requests_of(bank_of()) == ["GET /p?k=1 HTTP/1.1\r\nHost: h:1\r\n\r\n"]
    assert requests_of(bank_of(method="DELETE"))[0].startswith("DELETE /p?k=1 HTTP/1.1\r\n")
    assert "Content-Length: 0" in requests_of(bank_of(method="POST"))[0]


def test_a_content_type_of_the_users_replaces_ours():
    (request,) = requests_of(bank_of(body="x"), access=Access(headers=(("Content-Type", "text/csv"),)))
    assert request.count("Content-Type") == 1
    assert "Content-Type: text/csv\r\n" in request


def test_rows_fill_a_json_body_with_their_own_types(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"t": "say \\"hi\\"", "n": 3, "v": [1, 2]}\n\n{"t": "b", "n": 4, "v": []}\n')
    bank = bank_of(
        body='{"text": "<{t}>", "n": "{n}", "v": "{v}"}', data=str(tmp_path / "rows.jsonl"), expect="$.n = {n}"
    )
    assert [json.loads(item.tobytes()) for item in bank.inputs] == [
        {"text": '<say "hi">', "n": 3, "v": [1, 2]},
        {"text": "<b>", "n": 4, "v": []},
    ]
    assert [json.loads(row) for row in bank.beside] == [{"n": 3}, {"n": 4}]
    bank.save(tmp_path / "kept.npz")
    assert Bank.load(tmp_path / "kept.npz").beside == bank.beside


def test_a_column_of_numbers_in_a_csv_is_one_of_numbers(tmp_path):
    (tmp_path / "a.csv").write_bytes('text,n,code\n"a, ü",1,007\nb,2.5,8\n'.encode())
    bank = bank_of(body='{"t": "{text}", "n": "{n}", "c": "{code}"}', data=str(tmp_path / "a.csv"))
    assert [json.loads(item.tobytes()) for item in bank.inputs] == [
        {"t": "a, ü", "n": 1, "c": "007"},
        {"t": "b", "n": 2.5, "c": "8"},
    ]


def test_an_upload_is_multipart_as_others_read_it(tmp_path):
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(b"\x89PNG" + name.encode())
    bank = bank_of(form=("file=@" + str(tmp_path / "*.png"), "threshold=0.5"), expect="$.name = {file}")
    first, second = requests_of(bank)
    message = email.message_from_string(first.partition("\r\n")[2])
    text, upload = message.get_payload()
    assert (text.get_param("name", header="content-disposition"), text.get_payload()) == ("threshold", "0.5")
    assert (upload.get_filename(), upload.get_content_type()) == ("a.png", "image/png")
    assert upload.get_payload().encode("latin-1") == b"\x89PNGa.png"
    assert "b.png" in second
    assert [json.loads(row) for row in bank.beside] == [{"file": "a.png"}, {"file": "b.png"}]


def test_a_form_without_files_is_url_encoded():
    (request,) = requests_of(bank_of(form=("a=x y", "b=ü=1")))
    assert request.endswith("a=x+y&b=%C3%BC%3D1")
    assert "Content-Type: application/x-www-form-urlencoded" in request


def test_files_are_bodies_or_base64_in_json(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8a")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8b")
    pattern = str(tmp_path / "*.jpg")
    raw = bank_of(body=f"@{pattern}")
    assert [item.tobytes() for item in raw.inputs] == [b"\xff\xd8a", b"\xff\xd8b"]
    assert raw.meta.request.content_type == "image/jpeg"
    inside = bank_of(body='{"image": "{file:base64}"}', data=pattern)
    assert base64.b64decode(json.loads(inside.inputs[1].tobytes())["image"]) == b"\xff\xd8b"


def test_bodies_with_expected_responses_beside_them(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": {"t": 1}, "expected": {"label": "a"}}\n{"body": {"t": 2}, "expected": 3}\n')
    bank = read_bodies(path, "m")
    assert [item.tobytes() for item in bank.inputs] == [b'{"t":1}', b'{"t":2}']
    assert [json.loads(row)["expected"] for row in bank.beside] == [{"label": "a"}, 3]
    assert bank.meta.request.expect == "$ = {expected}"
    path.write_text('{"body": {"t": 1}, "expected": 1}\n{"t": 2}\n')
    with pytest.raises(UserError, match="not every line has `expected`"):
        read_bodies(path, "m")


@pytest.mark.parametrize(
    ("request_", "expect", "says"),
    [
        ({"body": "@nothing/*.jpg"}, "", r"--body @nothing/\*\.jpg: no such file"),
        ({"form": ("x",)}, "", "--form x: write name=text"),
        ({"body": "-"}, "", "--body -: standard input is not read; put it into a file and give --body @FILE"),
        ({"data": "nothing.csv"}, "", "--data nothing.csv: cannot be read"),
        ({"data": "nothing/*"}, "", "it holds no row"),
        ({"body": "x"}, "$.a = {label}", "not every row has a field 'label'"),
        ({"body": '{"a": "{nix}"}', "data": "{folder}/a.csv"}, "", "no field 'nix', but t"),
        ({"body": "x", "data": "{folder}/odd.csv"}, "", "row 3 has another number of columns"),
        ({"body": "x", "data": "{folder}/twice.csv"}, "", "two columns have the name 'a'"),
        ({"body": "x", "data": "{folder}/odd.jsonl"}, "", "line 2 is no object"),
        ({"body": "@{folder}/*.[ct]*"}, "", "files of several types"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_one_line(tmp_path, request_, expect, says):
    (tmp_path / "a.csv").write_text("t\n1\n")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "twice.csv").write_text("a,b,a\n1,2,3\n")
    (tmp_path / "odd.jsonl").write_text('{"a": 1}\n[2]\n')
    (tmp_path / "b.txt").write_text("t")
    there = {
        name: value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
        for name, value in request_.items()
    }
    with pytest.raises(UserError, match=says) as caught:
        bank_of(expect, **there)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", ['{"a": {"b": 1}', "[1, 2,]", ' {"a": nope}'])
def test_a_body_that_begins_as_json_and_is_none_is_refused_unless_a_header_gives_its_type(body, monkeypatch):
    with pytest.raises(UserError, match=r"--body: it begins as JSON and is none: .* column \d+"):
        bank_of(body=body)
    monkeypatch.setenv(HEADERS, "content-type: text/csv")
    assert bank_of(body=body).inputs[0].tobytes() == body.encode()


def test_a_field_outside_quotes_makes_json_too(tmp_path):
    (tmp_path / "rows.csv").write_text("n\n3\n")
    bank = bank_of(body='{"n": {n}}', data=str(tmp_path / "rows.csv"))
    assert (bank.inputs[0].tobytes(), bank.meta.request.content_type) == (b'{"n": 3}', "application/json")
    text = bank_of(body="{n} items", data=str(tmp_path / "rows.csv"))
    assert (text.inputs[0].tobytes(), text.meta.request.content_type) == (b"3 items", "text/plain; charset=utf-8")


def test_a_folder_is_no_file_to_upload(tmp_path):
    with pytest.raises(UserError, match=r"it is a folder; give its files as @.*/\*"):
        bank_of(form=(f"file=@{tmp_path}/",))
