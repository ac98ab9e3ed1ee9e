"""What the events of a chat completion say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.http.chat_completions import ChatCodec, ChatStream
from harness.wire.language.generation_options import GenerationOptions
from harness.wire.language.output_stream import StreamError
from harness.wire.server_url import parse_url


def event(document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def token(text, finish=None):
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})
DONE = b"data: [DONE]\n\n"


def feed_whole(stream, body):
    stream.feed(body, 1)
    stream.end()


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


def test_pieces_after_done_are_not_counted():
    stream = ChatStream()
    for at_ns, piece in enumerate((token("a"), token("b"), token("c", "stop"), DONE, token("d"), token("e"), USAGE)):
        stream.feed(piece, at_ns)
    stream.end()
    assert (list(stream.instants_ns), stream.text, stream.usage_tokens) == ([0, 1, 2], "abc", 5)
    with pytest.raises(StreamError, match="the response is empty"):  # as every client sees it
        read(DONE + token("a") + token("b", "stop"))
    with pytest.raises(StreamError, match="provider gone"):
        read(token("a", "stop") + DONE + event({"choices": [{"error": {"message": "provider gone"}}]}))


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


@pytest.mark.parametrize(
    ("said", "quote"),
    [
        (event({"object": "error", "message": "CUDA out of memory", "code": 500}), "CUDA out of memory"),
        (event({"error": {"message": "EngineCore died", "code": 500}}), "EngineCore died"),
        (event({"error": "overloaded", "error_type": "overloaded"}), "overloaded"),
        (event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), "Overloaded"),
        (event([{"error": {"code": 503, "message": "try later", "status": "UNAVAILABLE"}}]), "try later"),
        (event({"type": "response.failed", "response": {"error": {"message": "cut off"}}}), "cut off"),
        (event({"detail": "Not authenticated"}), "Not authenticated"),
        (event({"detail": [{"msg": "field required"}]}), "field required"),
        (event({"errors": [{"code": 7009, "message": "no capacity"}]}), "no capacity"),
        (event({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), "rate limit"),
        (event({"code": 400, "message": "too long", "type": "invalid_request_error"}), "too long"),
        (event({"choices": [{"error": {"message": "provider gone"}, "finish_reason": "error"}]}), "provider gone"),
        (event({"choices": [{"delta": {}}], "error": {"message": "half way"}}), "half way"),
        (event({"error": 7, "choices": []}), "7"),
        (b'error: {"code":400,"message":"context size exceeded","type":"x"}\n\n', "context size exceeded"),
        (b'event: error\ndata: {"message":"boom","type":"overloaded_error"}\n\n', "boom"),
        (b"event: error\n\n", "an error, without a word"),
        (b'event: error\ndata: {"message":"no blank line","type":"x"}', "no blank line"),
        (event({"error": "two\nlines \x1b[31m" + "x" * 500}), r"two lines \\x1b\[31mx+$"),
    ],
)
@pytest.mark.parametrize("before", [b"", event({"choices": [{"delta": {"content": "so far"}}]})])
def test_a_failure_within_the_stream_is_an_error_in_the_servers_words(said, quote, before):
    with pytest.raises(StreamError, match=quote) as raised:
        read(before + said + token("", "stop") + DONE)
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize("reason", ["abort", "content_filter", "error", "insufficient_system_resource", "SAFETY"])
def test_a_finish_reason_of_a_server_that_gave_up_is_an_error(reason):
    with pytest.raises(StreamError, match=f"finish reason {reason}"):
        read(token("a") + token("", reason) + DONE)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "function_call", "eos_token", "stop_sequence"])
def test_a_finish_reason_of_a_whole_answer_is_none(reason):
    read(token("a", reason) + DONE)


@pytest.mark.parametrize(
    "body", [DONE, token("", "stop") + USAGE + DONE, event({"choices": []}) + DONE, event({"type": "ping"}) + DONE]
)
def test_a_stream_without_output_is_an_error_unless_it_is_allowed(body):
    with pytest.raises(StreamError, match="the response is empty"):
        read(body)
    stream = ChatStream(allow_empty=True)
    stream.feed(body, 1)
    stream.end()
    assert stream.whole
    assert stream.first_ns == -1


@pytest.mark.parametrize(
    "body",
    [
        token("a") + token("b", "stop") + b"data: [DONE]",
        token("a") + token("b", "stop") + b"data: [DONE]\n",
        b"data:\n\n" + token("a") + b"data: \n\n" + token("b") + DONE,
        token("a") + token("b") + b'data: {"choices":[{"delta":null,"finish_reason":"stop"}]}\n\n' + DONE,
        (token("a") + token("b", "stop") + DONE).replace(b"\n\n", b"\n"),
        token("a") + event({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}], "error": None}),
        token("a") + token("b", "stop") + event({"choices": None, "usage": None}) + DONE,
        token("a").replace(b"\n\n", b"\r\r") + token("b", "stop").replace(b"\n\n", b"\r\r") + b"data: [DONE]\r",
    ],
    ids=["no end", "no blank line", "empty data", "null delta", "single newlines", "null error", "null lists", "CR"],
)
def test_a_whole_answer_in_an_odd_form_is_a_whole_answer(body):
    stream = ChatStream()
    stream.feed(body, 3)
    stream.end()
    assert (stream.text, list(stream.instants_ns), stream.whole) == ("ab", [3, 3], True)


@pytest.mark.parametrize(
    ("delta", "text", "answers"),
    [
        ({"content": "x"}, "x", True),
        ({"content": [{"type": "text", "text": "x"}]}, "x", True),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "", False),
        ({"reasoning": "hm"}, "", False),
        ({"reasoning_content": "hm"}, "", False),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, "", True),
        ({"function_call": {"name": "f"}}, "", True),
        ({"refusal": "I cannot"}, "", True),
        ({"audio": {"data": "UklG"}}, "", True),
    ],
)
def test_every_kind_of_output_is_a_piece_and_all_but_reasoning_is_the_answer(delta, text, answers):
    stream = ChatStream()
    stream.feed(event({"choices": [{"delta": {"role": "assistant", "content": "", "tool_calls": []}}]}), 1)
    stream.feed(event({"choices": [{"delta": delta}]}), 5)
    stream.feed(token("!", "stop") + DONE, 9)
    stream.end()
    assert (stream.first_ns, stream.answer_ns, stream.text) == (5, 5 if answers else 9, f"{text}!")
    assert stream.output_tokens == 2


@pytest.mark.parametrize("choice", [{"text": "x"}, {"message": {"role": "assistant", "content": "x"}}])
def test_completions_and_whole_messages_are_read_too(choice):
    stream = ChatStream()
    stream.feed(event({"choices": [choice | {"finish_reason": "stop"}]}) + DONE, 4)
    stream.end()
    assert (stream.text, stream.first_ns, stream.output_tokens) == ("x", 4, 1)


def test_a_servers_count_below_that_of_the_pieces_is_not_taken():
    stream = ChatStream()
    stream.feed(token("a") + token("b", "stop"), 1)
    stream.feed(event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}}) + DONE, 1)
    stream.end()
    assert (stream.usage_tokens, stream.output_tokens, stream.prompt_tokens) == (0, 2, 5)


@pytest.mark.parametrize(
    ("said", "taken"), [("12.0", 12), ("5e8", 5 * 10**8), ("9" * 31, -1), ("1e30", -1), ("12.5", -1), ("-3", -1),
                        ('"7"', -1), ("true", -1), ("[" * 90 + "]" * 90, -1), ("9" * 4000, -1)]
)  # fmt: skip
def test_a_count_that_can_be_none_is_not_taken_and_the_stream_counts(said, taken):
    stream = ChatStream()
    stream.feed(token("a") + token("b", "stop"), 1)
    usage = b'{"choices": [{"delta": {}}], "usage": {"prompt_tokens": %b, "completion_tokens": %b}}'
    stream.feed(b"data: " + usage % (said.encode(), said.encode()) + b"\n\n" + DONE, 2)
    stream.end()
    assert stream.whole
    assert (stream.prompt_tokens, stream.usage_tokens, stream.output_tokens) == (taken, taken, max(taken, 2))
    assert bool(stream.disbelieved) == (taken < 0)
    assert len(stream.disbelieved) < 200


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"x": ' + b"[" * 10_000,
        b'{"choices": [{"delta": {"content": "\\ud800"}}]}',
        b'{"choices": [{"delta": {"content": "\xff"}}]}',
        b'{"error": ' + b'{"error":' * 900 + b"1" + b"}" * 901,
        b'{"choices": [{"error": ' + b'{"error":' * 800 + b"1" + b"}" * 800 + b"}]}",
        b'{"choices": [{"error": ' + b"[" * 800 + b"1" + b"]" * 800 + b"}]}",
        b'{"usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}",
        b'{"choices": [], "x": 1e999}',
        b'{"choices": [{"finish_reason": 7}]}',
    ],
)
def test_an_event_out_of_bounds_fails_the_stream_in_one_line(data):
    stream = ChatStream()
    with pytest.raises(StreamError) as failure:
        feed_whole(stream, token("a") + b"data: " + data + b"\n\n")
    assert 0 < len(str(failure.value)) < 300
    assert str(failure.value).isprintable()
    assert not stream.whole


@given(
    st.lists(
        st.sampled_from([
            token("a"), token("", "stop"), token("", "abort"), DONE, USAGE, b"data:\n\n", event({"error": "x"}),
            event({"choices": [{"delta": {"reasoning": "hm"}}]}), event({"object": "error", "message": "m"}),
            b": ping\n\n", event({"choices": [{"delta": None}]}), b"data: {", b"event: error\n",
        ]),
        max_size=8,
    )
)  # fmt: skip
def test_no_stream_is_whole_without_a_piece_or_after_a_failure(events):
    stream = ChatStream()
    body = b"".join(events)
    try:
        stream.feed(body, 1)
        stream.end()
    except StreamError:
        assert not stream.whole
    else:
        assert stream.whole
        assert stream.instants_ns
        assert not any(said in body for said in (b'"error"', b"event: error", b"abort"))


def test_a_request_says_what_is_wanted():
    codec = ChatCodec(parse_url("http://127.0.0.1:1"), "m", GenerationOptions())
    head, _, body = codec.encode([{"role": "user", "content": "hi"}], 7).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    asked = json.loads(body)
    assert asked["messages"] == [{"role": "user", "content": "hi"}]
    assert (asked["max_tokens"], asked["stream"], asked["temperature"], asked["ignore_eos"]) == (7, True, 0, True)
