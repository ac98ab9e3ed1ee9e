"""Conditions of the user's on responses: what they mean, and which texts are refused."""

import json

import pytest

from harness.errors import UserError
from harness.wire.own.expectation import SUCCESSES
from harness.wire.own.expectation_text import expectation_of, parse_expectation
from harness.wire.own.request_form import RequestForm
from harness.wire.tolerance import Tolerance

DOCUMENT = {
    "label": "cat",
    "score": 0.75,
    "count": 3,
    "ok": True,
    "none": None,
    "text": "a, b",
    "odd name": {"x": [1, 2, 3]},
    "boxes": [{"class": 1, "p": 0.9}, {"class": 2, "p": 0.6}],
    "empty": [],
    "nothing": {},
}
BODY = json.dumps(DOCUMENT).encode()


def failure(text, body=BODY, **beside):
    return parse_expectation(text, "--expect").failure(body, beside)


@pytest.mark.parametrize(
    "text",
    [
        "$.label = cat",
        "$.label == cat, $.score>0.5",
        "$.label in (dog, cat)",
        "$.label not in (dog)",
        "$.label != dog",
        "$.score >= 0.75, $.score <= 0.75, $.score < 1, $.score > .5",
        "$.score = 0.7501",  # 1e-3 of it is the tolerance
        "$.count = 3, $.count = 3.0",
        "$.ok = true, $.none = null",
        '$.text = "a, b"',
        "$.text = 'a, b'",
        "$[\"odd name\"].x[0] = 1, $['odd name'].x[-1] = 3",
        "$.boxes[*].p > 0.5",
        "$.boxes[*].class in (1, 2)",
        "$.boxes, $.boxes[1].p exists",
        "$.text contains b",
        '$["odd name"].x contains 2',
        'body contains "cat"',
        "$.label = {wanted}, $.count = {n}",
        "$ = {all}",
        "status = 200",
        "$.empty = [], $.nothing = {}",
        '$["odd name"].x = [1, 2, 3], $["odd name"] = {"x": [1, 2, 3]}, $.ok = true',
        '$.boxes contains { "class": 1 }',
        "$.count in ([3], 3)",
    ],
)
def test_what_holds(text):
    assert failure(text, wanted="cat", n=3, all={"label": "cat", "boxes": [{"class": 1}, {"p": 0.6001}]}) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$.label = dog", "$.label = dog"),
        ("$.label in (a, b)", "$.label in (a, b)"),
        ("$.label = cat, $.score > 0.8", "$.score > 0.8"),
        ("$.score = 0.752", "$.score = 0.752"),
        ("$.count = 4", "$.count = 4"),
        ("$.count = '3'", "$.count = '3'"),  # a text is no number
        ("$.ok = 1", "$.ok = 1"),  # nor is true
        ("$.label > 3", "$.label > 3"),
        ("$.missing = 1", "there is no $.missing"),
        ("$.missing != 1", "there is no $.missing"),  # not there is no success, whatever is asked
        ("$.missing not in (1)", "there is no $.missing"),
        ("$.boxes[2].p > 0", "there is no $.boxes[2]"),
        ("$.boxes[*].q > 0", "there is no $.boxes[0].q"),
        ("$.empty[*].q > 0", "there is no $.empty[*]"),
        ("$.boxes[*].p > 0.7", "$.boxes[*].p > 0.7"),
        ("$.label.x", "there is no $.label.x"),
        ("$ = {all}", "$ = {all}"),
        ("$.label = {all}", "$.label = {all}"),
        ("body contains dog", "body contains dog"),
        ("$.boxes = []", "$.boxes = []"),
        ("$.boxes[0] = {}", "$.boxes[0] = {}"),
        ('$["odd name"].x = [1, 2]', '$["odd name"].x = [1, 2]'),
    ],
)
def test_what_does_not_hold_is_named(text, says):
    assert says in failure(text, all={"label": "cat", "boxes": [{"class": 1}]})


@pytest.mark.parametrize(
    ("body", "says"), [(b"", "empty"), (b"<html><title>Hi</title>", "no JSON: Hi"), (b"[", "no JSON")]
)
def test_a_body_that_is_no_json_has_no_value(body, says):
    assert says in failure("$.a", body)


def test_the_tolerance_is_the_users():
    expectation = parse_expectation("$.score = 0.7501", "--expect")
    assert expectation.failure(BODY, {}, Tolerance(0.0, 0.0))
    assert not expectation.failure(BODY, {}, Tolerance(0.0, 0.001))


def test_statuses():
    assert parse_expectation("$.a", "--expect").statuses is SUCCESSES
    assert parse_expectation("status = 404", "--expect").statuses == {404}
    assert parse_expectation("status in (200, 404), status != 404", "--expect").statuses == {200}
    assert parse_expectation("status < 300, status >= 200", "--expect").statuses == set(range(200, 300))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("status = 200", set()),
        ("status < 400", {*range(100, 200), *range(300, 400)}),
        ("status in (200, 404)", {404}),
        ("status in (200, 404), $.label exists", set()),
        ("$.label exists", set()),
    ],
)
def test_a_status_of_no_success_is_right_by_itself_where_no_condition_is_on_the_body(text, right):
    assert parse_expectation(text, "--expect").right_by_status == right


def test_what_stands_beside_the_bodies_is_expected_too():
    both = expectation_of("status=200, $.count = 3", RequestForm(expect="$ = {expected}"))
    assert both.statuses == {200}
    assert both.failure(BODY, {"expected": {"label": "cat"}}) == ""
    assert both.failure(BODY, {"expected": {"label": "dog"}}) == "$ = {expected}"
    assert expectation_of("", RequestForm()) is None


def test_a_value_that_is_missing_is_told_from_one_that_is_another():
    expectation = parse_expectation("$.label = dog, $.missing = 1", "--expect")
    assert expectation.missing(BODY) == "$.missing = 1: there is no $.missing"
    assert parse_expectation("$.label = dog", "--expect").missing(BODY) == ""


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", "''"),
        ("label = 1", "'label = 1'"),
        ("$.a =", "''"),
        ("$.a in 1, 2", "'1, 2'"),
        ("$.a in ()", "')'"),
        ("$.a in (1", "''"),
        ("$.a = 1 b", "'b'"),
        ("$.a..b = 1", "'..b = 1'"),
        ('$.a = "b', '"b'),
        ("status = ok", "a status is a number"),
        ("status > 600", "no status meets that"),
        ("$.a > cat", "compares numbers"),
        ("$.a = 1,,", "','"),
        ("$.a = [1", "'[1'"),
        ('$.a = {"b" 1}', """'{"b" 1}'"""),
        ("$.a = 18446744073709551616", "more than 64 bits"),
        ("$.a = -9223372036854775809", "more than 64 bits"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_at_its_place(text, at):
    with pytest.raises(UserError) as caught:
        parse_expectation(text, "--expect")
    assert str(caught.value).startswith(f"--expect {text}")
    assert at in str(caught.value)
