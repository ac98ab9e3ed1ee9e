"""What requests hold: our fields, the user's, and none that the server refused."""

import json

import pytest

from harness.errors import UserError
from harness.plan.chat_shape import ChatShape
from harness.plan.load_options import chat_of
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url

MESSAGES = [{"role": "user", "content": "hi"}]


def body_of(options, protocol="openai", max_tokens=7):
    codec = make_text_codec(protocol, parse_url("http://127.0.0.1:1/v1"), "m", options)
    head, _, body = codec.encode(MESSAGES, max_tokens).partition(b"\r\n\r\n")
    return head, json.loads(body), codec


def test_the_users_fields_replace_ours_and_null_leaves_one_out():
    extra = '{"temperature": 0.7, "top_p": 0.9, "stop": ["END"], "stream_options": null}'
    head, body, _ = body_of(chat_of({"extra_body": extra}))
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert body == {"model": "m", "stream": True, "ignore_eos": True, "temperature": 0.7, "top_p": 0.9,
                    "stop": ["END"], "messages": MESSAGES, "max_tokens": 7}  # fmt: skip


def test_an_exact_length_is_asked_for_in_the_servers_words():
    _, body, codec = body_of(
        chat_of({"min_tokens": "on", "ignore_eos": "off", "length_field": "max_completion_tokens"})
    )
    assert (body["min_tokens"], body["max_completion_tokens"], codec.ignores_eos) == (7, 7, True)
    assert not {"ignore_eos", "max_tokens"} & set(body)
    _, body, codec = body_of(chat_of({"ignore_eos": "off"}))
    assert ("ignore_eos" in body, codec.ignores_eos) == (False, False)


def test_without_streaming_one_document_is_asked_for():
    head, body, codec = body_of(chat_of({"stream": "off"}))
    assert (body["stream"], "stream_options" in body, b"Accept: application/json" in head) == (False, False, True)
    assert not codec.new_stream().streamed


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"encoding_format": "float"}),
        ({"extra_body": {"encoding_format": "base64"}}, {"encoding_format": "base64"}),
        ({"extra_body": {"encoding_format": None}}, {}),
        ({"left_out": ("encoding_format",)}, {}),  # since the server refused it
    ],
)
def test_the_form_of_embeddings_is_a_field_like_any_other(options, sent):
    _, body, _ = body_of(ChatShape(**options), "openai-embeddings")
    assert body == {"model": "m", "input": ["hi"], **sent}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "no JSON"),
        ("[1]", "must be a JSON object"),
        ('{"max_tokens": 5}', "max_tokens is set by --output-tokens"),
        ('{"stream": false}', "stream is set by --stream"),
        ("@/nowhere.json", "cannot be read"),
    ],
)
def test_extra_fields_that_cannot_be_are_refused(text, complaint):
    with pytest.raises(UserError, match=complaint):
        chat_of({"extra_body": text})
