"""Responses of a real server under load, checked by the user's own conditions."""

import itertools
import json
import re

import numpy as np
import pytest

from harness.errors import UserError
from harness.measure.target.own_requests import own_bank
from harness.record.rows import Outcome
from harness.wire.own.own_request import OwnRequest
from harness.wire.server_probe import ask_once

pytestmark = pytest.mark.process


def reply(document, status=b"200 OK"):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def run(serve, bench, tmp_path, script, expect, requests=12, **options):
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    bank = own_bank(OwnRequest(body='{"n": "{n}"}', data=str(tmp_path / "rows.jsonl")), expect, "m")
    bank.save(tmp_path / "own.npz")
    server = serve(script)
    given = {"protocol": "http", "bank": str(tmp_path / "own.npz"), "expect": expect}
    return bench(f"{server.url}/p", **given | options).run(requests)


def asked(request):
    return json.loads(request.partition(b"\r\n\r\n")[2])["n"]


def test_all_are_checked_and_only_the_bad_ones_are_wrong(serve, bench, tmp_path):
    def script(number, request, _):
        return reply({"twice": 2 * asked(request) + (number == 5), "id": number})

    rows, report = run(serve, bench, tmp_path, script, "$.twice in (2, 4)")
    assert [row["outcome"] == Outcome.WRONG for row in rows] == [number == 5 for number in range(len(rows))]
    assert report.checked == len(rows)
    assert report.errors == {"a wrong response: $.twice in (2, 4) (such as 5)": 1}


def test_a_response_is_compared_with_what_stands_beside_its_own_body(serve, bench, tmp_path):
    rows, report = run(serve, bench, tmp_path, lambda _, request, __: reply({"n": 1}), "$.n = {n}")
    payloads = np.array([row["payload"] for row in rows])
    wrong = np.array([row["outcome"] == Outcome.WRONG for row in rows])
    assert (wrong == (payloads == 1)).all()
    assert 0 < report.wrong < len(rows)


def test_a_value_that_is_missing_fails(serve, bench, tmp_path):
    rows, report = run(serve, bench, tmp_path, lambda *_: reply({"m": 1}), "$.n != 5")
    assert report.wrong == report.checked == len(rows)
    assert list(report.errors) == ["a wrong response: $.n != 5: there is no $.n"]


def test_a_report_of_a_failure_is_an_error_in_the_servers_words(serve, bench, tmp_path):
    rows, report = run(serve, bench, tmp_path, lambda *_: reply({"error": "out of memory"}), "$.n exists")
    assert report.error == len(rows)
    assert list(report.errors) == ["no answer: out of memory"]


@pytest.mark.parametrize(
    ("status", "expect", "outcome"),
    [
        (b"404 Not Found", "status = 404", Outcome.OK),
        (b"404 Not Found", "$.n = 1", Outcome.ERROR),
        (b"200 OK", "status = 404", Outcome.ERROR),
        (b"201 Created", "status in (200, 201)", Outcome.OK),
        (b"503 Busy", "status = 503, $.n = 1", Outcome.OK),
        (b"503 Busy", "$.n = 1", Outcome.REJECTED),
    ],
)
def test_the_status_is_what_the_user_expects(serve, bench, tmp_path, status, expect, outcome):
    rows, _ = run(serve, bench, tmp_path, lambda *_: reply({"n": 1}, status), expect, requests=1)
    assert {row["outcome"] for row in rows} == {outcome}


def test_a_sample_checks_the_first_of_each_payload(serve, bench, tmp_path):
    script = lambda number, request, _: reply({"n": asked(request), "id": number})  # noqa: E731
    rows, report = run(serve, bench, tmp_path, script, "$.n = {n}", requests=40, check="sample")
    assert 2 <= report.checked < len(rows)
    assert report.ok == len(rows)


def test_without_a_condition_nothing_counts_as_checked_but_failures_are_seen(serve, bench, tmp_path):
    script = lambda number, *_: reply({"error": "no model"} if number % 2 else {"fine": 1})  # noqa: E731
    _, report = run(serve, bench, tmp_path, script, "", requests=60, check="off")
    assert report.checked == 0
    assert report.error > 20


def test_wrong_values_are_counted_under_one_of_them_and_a_long_one_is_not_shown(serve, bench, tmp_path):
    def script(*_):
        return reply({"score": next(scores), "text": "s" * 100})

    scores = itertools.count()
    rows, report = run(serve, bench, tmp_path, script, "$.score > 500")
    (text,) = report.errors
    assert re.fullmatch(r"a wrong response: \$\.score > 500 \(such as \d+\)", text)
    assert report.errors[text] == len(rows)
    rows, report = run(serve, bench, tmp_path, script, "$.text = x")
    assert report.errors == {"a wrong response: $.text = x (such as a value of 102 characters)": len(rows)}


def declaring(content, kind):
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(content), content)


@pytest.mark.parametrize("expect", ["$.label = gr\u00fcn", "body contains gr\u00fcn"])
def test_responses_are_read_in_the_charset_that_the_first_one_declares(serve, bench, tmp_path, expect):
    content = '{"label": "gr\u00fcn"}'.encode("iso-8859-1")
    server = serve(lambda *_: declaring(content, b'application/json; Charset="ISO-8859-1"'))
    bank = own_bank(OwnRequest(body="{}"), expect, "m")
    bank = ask_once(f"{server.url}/p", "http", bank, expect).bank
    assert bank.meta.request.charset == "iso-8859-1"
    bank.save(tmp_path / "own.npz")
    given = {"protocol": "http", "bank": str(tmp_path / "own.npz"), "expect": expect}
    rows, report = bench(f"{server.url}/p", **given).run(12)
    assert (report.errors, report.wrong) == ({}, 0)
    assert len(rows)


@pytest.mark.parametrize("kind", [b"text/plain; charset=klingon", b"text/plain; charset=zlib"])
def test_a_charset_that_is_not_known_is_named(serve, kind):
    server = serve(lambda *_: declaring(b"abc", kind))
    bank = own_bank(OwnRequest(body="{}"), "body contains b", "m")
    with pytest.raises(UserError, match=r"declares the charset '?(klingon|zlib)"):
        ask_once(f"{server.url}/p", "http", bank, "body contains b")


@pytest.mark.parametrize(
    "other", [b'{"n": 1, "label"', b'{"n": 1} more', b"upstream error", b"1,2,3\n", b"\x00\x01", b" ", b"<html>"]
)
def test_what_is_no_json_where_the_first_response_was_some_is_no_answer(serve, bench, tmp_path, other):
    def script(number, *_):
        return declaring(b'{"n": 12}', b"application/json") if number % 4 else declaring(other, b"text/plain")

    server = serve(lambda *_: declaring(b'{"n": 12}', b"application/json"))
    bank = ask_once(f"{server.url}/p", "http", own_bank(OwnRequest(body="{}"), "", "m")).bank
    bank.save(tmp_path / "own.npz")
    rows, report = bench(f"{serve(script).url}/p", protocol="http", bank=str(tmp_path / "own.npz")).run(40)
    assert [row["outcome"] == Outcome.ERROR for row in rows] == [number % 4 == 0 for number in range(len(rows))]
    assert (report.wrong, report.checked) == (0, 0)
    assert all(text.startswith("no answer: ") for text in report.errors)


@pytest.mark.parametrize("expect", ["status=200", "status<400", "status < 300", "status in (200, 404)"])
def test_a_failure_is_an_error_where_only_the_status_is_expected(serve, bench, tmp_path, expect):
    def script(number, *_):
        return reply({"error": "CUDA out of memory"} if number % 3 == 2 else {"label": "a", "number": number})

    rows, report = run(serve, bench, tmp_path, script, expect, requests=30)
    assert [row["outcome"] == Outcome.ERROR for row in rows] == [number % 3 == 2 for number in range(len(rows))]
    assert set(report.errors) == {"no answer: CUDA out of memory"}
    assert report.checked == report.ok


def test_a_status_of_no_success_that_is_expected_is_right_whatever_the_body_says(serve, bench, tmp_path):
    def script(number, *_):
        return reply({"error": "no such item"}, b"404 Not Found" if number % 3 else b"200 OK")

    rows, report = run(serve, bench, tmp_path, script, "status in (200, 404)", requests=30)
    assert [row["outcome"] == Outcome.ERROR for row in rows] == [number % 3 == 0 for number in range(len(rows))]
    assert report.errors == {"no answer: no such item": -(-len(rows) // 3)}
    assert report.checked == report.ok == 2 * len(rows) // 3
