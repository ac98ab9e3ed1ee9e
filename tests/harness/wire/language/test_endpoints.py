"""Completions, responses, Anthropic's messages, embeddings and rankings: what is sent, and how responses are read."""

import base64
import json
import struct

import pytest

from harness.plan.chat_shape import ChatShape
from harness.wire.credentials import Access
from harness.wire.language.output_stream import StreamError
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "user", "content": "there"}]


def codec_of(protocol, **options):
    access = Access(token="secret")
    return make_text_codec(protocol, parse_url("http://127.0.0.1:1/v1/", access), "m", ChatShape(**options))


def asked(codec):
    head, _, body = codec.encode(MESSAGES, 7).partition(b"\r\n\r\n")
    return head.decode().splitlines(), json.loads(body)


@pytest.mark.parametrize(
    ("protocol", "path", "fields"),
    [
        ("openai-completions", "/v1/completions", {"prompt": "hi\nthere", "max_tokens": 7, "stream": True}),
        ("openai-responses", "/v1/responses", {"input": MESSAGES, "max_output_tokens": 7, "store": False}),
        ("anthropic", "/v1/messages", {"messages": MESSAGES, "max_tokens": 7, "stream": True}),
        ("openai-embeddings", "/v1/embeddings", {"input": ["hi", "there"], "encoding_format": "float"}),
        ("rerank", "/v1/rerank", {"query": "hi", "documents": ["there"]}),
    ],
)
def test_each_protocol_asks_in_its_own_words(protocol, path, fields):
    head, body = asked(codec_of(protocol))
    assert head[0] == f"POST {path} HTTP/1.1"
    assert fields.items() <= body.items()
    generates = {"max_tokens", "max_output_tokens"} & set(fields)
    assert bool({"stream", "temperature", "ignore_eos"} & set(body)) == bool(generates)
    assert ("max_tokens" in body, "stream" in body) == (
        "max_tokens" in fields,
        protocol.startswith(("openai-c", "openai-r", "anth")),
    )


def test_anthropics_key_is_where_it_looks_for_it():
    head, _ = asked(codec_of("anthropic"))
    assert {"x-api-key: secret", "anthropic-version: 2023-06-01"} <= set(head)


def sse(*events):
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def delta(**fields):
    return {"type": "content_block_delta", "index": 0, "delta": fields}


ANTHROPIC = [
    sse({"type": "message_start", "message": {"usage": {
        "input_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3, "output_tokens": 1}}}),
    sse({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
    sse(delta(type="thinking_delta", thinking="hm")) + sse({"type": "ping"}),
    sse(delta(type="signature_delta", signature="x")),
    sse(delta(type="text_delta", text="Hel")),
    sse(delta(type="text_delta", text="lo")),
    sse({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 3}}),
    sse({"type": "message_stop"}),
]  # fmt: skip
RESPONSES = [
    sse({"type": "response.created", "response": {"status": "in_progress", "usage": None, "error": None}}),
    sse({"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}}),
    sse({"type": "response.reasoning_text.delta", "delta": "hm"}),
    sse({"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}}),
    sse({"type": "response.output_text.delta", "delta": "Hel"}),
    sse({"type": "response.output_text.delta", "delta": "lo"}),
    sse({"type": "response.output_text.done", "text": "Hello"}),
    sse({"type": "response.incomplete", "response": {
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "usage": {"input_tokens": 28, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 20}}}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "pieces", "instants"),
    [("anthropic", ANTHROPIC, [3, 5, 6]), ("openai-responses", RESPONSES, [3, 5, 6])],
)
def test_every_piece_has_its_instant_and_the_counts_are_the_servers(protocol, pieces, instants):
    stream = codec_of(protocol).new_stream()
    for now_ns, piece in enumerate(pieces, 1):
        stream.feed(piece, now_ns)
    stream.end()
    assert (list(stream.instants_ns), stream.answer_ns, stream.text) == (instants, 5, "Hello")
    assert (stream.prompt_tokens, stream.cached_tokens, stream.usage_tokens) == (28, 20, 3)


@pytest.mark.parametrize(
    ("protocol", "pieces", "words"),
    [
        ("anthropic", [*ANTHROPIC[:5], sse({"type": "error", "error": {"message": "Busy"}})], "Busy"),
        ("anthropic", ANTHROPIC[:6], "the stream was cut"),
        ("anthropic", [sse({"type": "message_stop"})], "the response is empty"),
        ("anthropic", [ANTHROPIC[4], sse({"type": "message_delta", "delta": {"stop_reason": "refusal"}})], "refusal"),
        ("openai-responses", [sse({"type": "response.failed", "response": {"error": {"message": "gone"}}})], "gone"),
        ("openai-responses", [*RESPONSES[:5], sse({"type": "error", "message": "boom", "code": "x"})], "boom"),
        ("openai-responses", RESPONSES[:6], "the stream was cut"),
        ("openai-responses", [sse({"type": "response.incomplete", "response": {
            "status": "incomplete", "incomplete_details": {"reason": "content_filter"}}})], "content_filter"),
    ],
)  # fmt: skip
def test_a_failure_inside_a_stream_is_an_error_in_its_words(protocol, pieces, words):
    stream = codec_of(protocol).new_stream()

    def read_all():
        for piece in pieces:
            stream.feed(piece, 1)
        stream.end()

    with pytest.raises(StreamError, match=words):
        read_all()


WHOLE = {
    "openai": {"choices": [{"message": {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
                            "finish_reason": "length"}], "usage": {"prompt_tokens": 28, "completion_tokens": 3}},
    "openai-completions": {"choices": [{"text": "Hello", "finish_reason": "length"}],
                           "usage": {"prompt_tokens": 28, "completion_tokens": 3}},
    "anthropic": {"type": "message", "content": [{"type": "text", "text": "Hello"}],
                  "stop_reason": "end_turn", "usage": {"input_tokens": 28, "output_tokens": 3}},
    "openai-responses": {"object": "response", "status": "completed", "error": None, "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
        "usage": {"input_tokens": 28, "output_tokens": 3}},
}  # fmt: skip


@pytest.mark.parametrize("protocol", WHOLE)
def test_a_whole_document_has_counts_and_no_first_token(protocol):
    stream = codec_of(protocol, stream=False).new_stream()
    stream.document(json.dumps(WHOLE[protocol]).encode(), 9)
    assert (stream.text, stream.first_ns, stream.answer_ns, list(stream.instants_ns)) == ("Hello", -1, -1, [9])
    assert (stream.prompt_tokens, stream.output_tokens, stream.whole) == (28, 3, True)
    with pytest.raises(StreamError, match="no answer: no memory"):
        codec_of(protocol, stream=False).new_stream().document(b'{"error": {"message": "no memory"}}', 9)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({}, -1),  # nobody has counted
        ({"usage": {"prompt_tokens": 28, "completion_tokens": 0}}, -1),  # of a response that has text
        ({"usage": {"prompt_tokens": 28, "completion_tokens": 300}}, 300),  # where 64 were asked for
    ],
)
def test_the_tokens_of_a_document_are_those_that_the_server_counts(usage, tokens):
    stream = codec_of("openai", stream=False).new_stream()
    stream.document(json.dumps({"choices": WHOLE["openai"]["choices"]} | usage).encode(), 9)
    stream.doubt_usage(64)
    assert (stream.output_tokens, stream.disbelieved) == (tokens, "")


def embeddings(*vectors):
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 6}}).encode()


def read(protocol, body):
    stream = codec_of(protocol).new_stream()
    stream.document(body, 9)
    return stream


def test_embeddings_are_counted_in_vectors_and_prompt_tokens():
    packed = base64.b64encode(struct.pack("<2f", 0.5, -0.5)).decode()
    stream = read("openai-embeddings", embeddings([0.5, -0.5], packed))
    assert (stream.result_count, stream.prompt_tokens, stream.output_tokens, stream.first_ns) == (2, 6, -1, -1)
    assert [list(vector) for vector in stream.vectors] == [[0.5, -0.5]] * 2


RANKED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -3}]


def test_a_ranking_in_two_forms():
    stream = read("rerank", json.dumps({"results": RANKED, "usage": {"total_tokens": 40}}).encode())
    assert (stream.result_count, stream.prompt_tokens) == (2, 40)
    assert read("rerank", b'[{"index": 0, "score": 0.5}]').result_count == 1


def answered(protocol, texts, body, **options):
    codec = codec_of(protocol, **options)
    stream = codec.stream_for([{"role": "user", "content": "a text"}] * codec.message_count(texts))
    stream.document(body, 9)
    return stream.result_count


def ranked(*documents):
    return json.dumps({"results": [{"index": at, "relevance_score": 0.5} for at in documents]}).encode()


def test_there_is_a_result_for_each_text():
    assert answered("openai-embeddings", 3, embeddings([1], [2], [3])) == 3
    with pytest.raises(StreamError, match="holds 1 results where 3 were asked for"):
        answered("openai-embeddings", 3, embeddings([1]))
    assert answered("rerank", 3, ranked(2, 0, 1)) == 3
    with pytest.raises(StreamError, match="holds 2 results where 3 were asked for"):
        answered("rerank", 3, ranked(1, 0))


def test_a_ranking_may_leave_out_what_top_n_does_not_ask_for():
    assert answered("rerank", 8, ranked(7, 3), extra_body={"top_n": 2}) == 2
    assert answered("rerank", 2, ranked(1, 0), extra_body={"top_n": 5}) == 2
    for wrong in (ranked(7, 8), ranked(3, 3), ranked(-1, 0)):
        with pytest.raises(StreamError, match="each document once"):
            answered("rerank", 8, wrong, extra_body={"top_n": 2})


@pytest.mark.parametrize("indices", [(0, 0), (5, 9), (1, 2), (-1, 0)])
def test_each_vector_has_the_place_of_its_text(indices):
    data = [{"index": index, "embedding": [1]} for index in indices]
    with pytest.raises(StreamError, match="gaps or repeat"):
        answered("openai-embeddings", 2, json.dumps({"data": data}).encode())


def test_vectors_without_an_index_are_in_order():
    assert answered("openai-embeddings", 2, b'{"data": [{"embedding": [1]}, {"embedding": [2]}]}') == 2


@pytest.mark.parametrize(
    ("protocol", "body", "words"),
    [
        ("openai-embeddings", embeddings(), "holds no result"),
        ("openai-embeddings", embeddings([0.5], [0.5, 1]), "differ in size"),
        ("openai-embeddings", embeddings([0.0, 0.0]), "zero in every place"),
        ("openai-embeddings", b'{"data": [{"embedding": [null]}]}', "no list of embeddings"),
        ("openai-embeddings", b'{"data": [{"embedding": "?"}]}', "cannot be read|empty"),
        ("openai-embeddings", b'{"error": {"message": "too long"}}', "too long"),
        ("openai-embeddings", b"<html>Sign in</html>", "a web page: Sign in"),
        ("rerank", json.dumps({"results": [*RANKED, RANKED[0]]}).encode(), "each document once"),
        ("rerank", b'{"results": [{"index": 0}]}', "no score"),
        ("rerank", b'{"results": []}', "holds no result"),
    ],
)
def test_what_is_no_result_is_an_error(protocol, body, words):
    with pytest.raises(StreamError, match=words):
        read(protocol, body)
