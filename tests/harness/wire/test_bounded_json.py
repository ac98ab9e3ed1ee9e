"""JSON of servers: what is read, and what is refused in one line."""

import contextlib
import json
from random import Random

import pytest

from harness.wire.bounded_json import MAX_DEPTH, JsonError, parse_json
from harness.wire.failure_text import MAX_CHARS, body_text, failure_in


@pytest.mark.parametrize("document", [None, 1.5, {"a": ["b", {"c": -(2**63)}]}, [2**64 - 1], "äß\u0000", [[0.1] * 300]])
def test_documents_are_read_as_they_are(document):
    assert parse_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"NaN",
        b"[1e999]",
        b"[-1e999]",
        b"9" * 5000,
        b'["\\ud800"]',
        b'["\xff"]',
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 10_000_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" + b"0," * (1 << 24) + b"0]",
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_line(content):
    with pytest.raises(JsonError) as refused:
        parse_json(content)
    assert 0 < len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


def test_the_depth_is_that_of_arrays_and_not_of_brackets_in_texts_or_beside_each_other():
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert len(parse_json(b"[" + b"[],{}," * 100 + b"0]")) == 201
    texts = ["[" * 100, '"[{' * 40, "\\" * 7 + "[" * 99]
    assert parse_json(json.dumps(texts).encode()) == texts


def test_bytes_at_random_end_as_a_document_or_a_json_error_and_as_a_line_of_text():
    rng = Random(17)
    seed = json.dumps({"error": {"message": ["a", 1.5e300, {"x": "[\\u00e4"}], "code": 10**15}}).encode()
    for _ in range(3000):
        content = bytearray(seed)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(content))
            content[place : place + rng.randrange(3)] = rng.choice([b"", b"\xed\xa0\x80", b"[[[[", b"9" * 400, b"\\u"])
        with contextlib.suppress(JsonError):
            parse_json(bytes(content))
        for said in (body_text(bytes(content)), failure_in(bytes(content)) or ""):
            assert len(said) <= MAX_CHARS + 20
            said.encode()
