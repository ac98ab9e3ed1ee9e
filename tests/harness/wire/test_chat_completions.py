"""What the events of a chat completion say."""

import json

import pytest

from harness.wire.chat_completions import ChatCodec, ChatStream, StreamError
from harness.wire.server_url import parse_url


def event(document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def token(text, finish=None):
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})
DONE = b"data: [DONE]\n\n"


def test_tokens_have_their_instants_and_the_servers_own_count():
    stream = ChatStream()
    stream.feed(event({"choices": [{"delta": {"role": "assistant", "content": ""}}]}), 1)
    stream.feed(token("Hel"), 10)
    stream.feed(token("lo") + token("!"), 20)
    stream.feed(USAGE + DONE, 30)
    stream.end()
    assert (stream.first_ns, list(stream.instants_ns), stream.text) == (10, [10, 20, 20], "Hello!")
    assert (stream.prompt_tokens, stream.output_tokens) == (9, 5)


def test_without_usage_the_pieces_are_counted():
    stream = ChatStream()
    stream.feed(token("a") + token("b", "stop"), 5)
    stream.end()  # a finish reason is an end, without [DONE] too
    assert (stream.prompt_tokens, stream.output_tokens) == (-1, 2)


def test_what_a_model_thinks_is_a_token_and_no_answer():
    stream = ChatStream()
    stream.feed(event({"choices": [{"delta": {"reasoning_content": "hm"}}]}) + token("yes"), 7)
    assert (stream.output_tokens, stream.text) == (2, "yes")


def read(body):
    stream = ChatStream()
    stream.feed(body, 1)
    stream.end()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"data: {oops\n\n", "no chat completion chunk"),
        (b"data: [1, 2]\n\n", "no chat completion chunk"),
        (event({"error": {"message": "out of memory"}}), "the stream says: out of memory"),
        (token("a"), "cut: it ended without"),
        (token("a", "stop") + b"data: {", "cut: it ended without"),
        (b"", "ended before its first token"),
        (b"<html>busy</html>", "ended before its first token"),
    ],
)
def test_a_bad_stream_is_an_error_in_words(body, complaint):
    with pytest.raises(StreamError, match=complaint):
        read(body)


def test_a_request_says_what_is_wanted():
    codec = ChatCodec(parse_url("http://127.0.0.1:1"), "m", ignore_eos=True)
    head, _, body = codec.encode([{"role": "user", "content": "hi"}], 7).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    asked = json.loads(body)
    assert asked["messages"] == [{"role": "user", "content": "hi"}]
    assert (asked["max_tokens"], asked["stream"], asked["temperature"], asked["ignore_eos"]) == (7, True, 0, True)
