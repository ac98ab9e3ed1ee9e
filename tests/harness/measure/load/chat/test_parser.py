"""A stream is the same whatever the sizes of the reads, chunks and pieces that it comes in."""

import gzip
import itertools
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.load.chat.parser import StreamParser
from harness.plan.chat_shape import ChatShape
from harness.wire.http.llhttp_parser import HttpError
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXTS = st.one_of(
    st.sampled_from(
        [" word", "", " ", "a" * 300, 'say "no"', "C:\\n", "é", "字", "\u2028", "\n", "\x7f", '"}}]}', "\xa0"]
    ),
    st.text(max_size=8),
)
FRAMES = (b"%x\r\n%b\r\n", b"%X\r\n%b\r\n", b"00%x\r\n%b\r\n", b"%x;name=value\r\n%b\r\n")


def chat(text, field="content", **more):
    return {"id": "c", "choices": [{"index": 0, "delta": {field: text}, "finish_reason": None}], **more}


def anthropic(text, kind="text"):
    delta = {"type": f"{kind}_delta", kind: text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def responses(text):
    return {"type": "response.output_text.delta", "delta": text}


def line(document, *, ascii_only=False, spaces=True):
    return json.dumps(document, ensure_ascii=ascii_only, separators=(", ", ": ") if spaces else (",", ":")).encode()


def event(document, name="", **how):
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + line(document, **how) + b"\n\n"


ENDS = {
    "openai": event({"choices": [{"delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n",
    "anthropic": event({"type": "message_stop"}),
    "openai-responses": event({"type": "response.completed", "response": {"status": "completed"}}),
}
FORMS = {
    "openai": [
        lambda text, **how: event(chat(text), **how),
        lambda text, **how: event(chat(text, "reasoning"), **how),
        lambda text, **how: event(chat(text, usage={"completion_tokens": len(text)}), **how),
        lambda text, **how: event(chat("fixed", note={"text": text}), **how),
        lambda text, **how: event({"choices": [{"message": {"content": text}}]}, **how),
        lambda text, **how: event(chat(text), **how).replace(b"\n", b"\r\n"),
        lambda text, **how: b": keep alive\n\n" + event(chat(text), **how),
    ],
    "anthropic": [
        lambda text, **how: event(anthropic(text), "content_block_delta", **how),
        lambda text, **how: event(anthropic(text, "thinking"), "content_block_delta", **how),
    ],
    "openai-responses": [lambda text, **how: event(responses(text), "response.output_text.delta", **how)],
}


def stream_of(protocol):
    return make_text_codec(protocol, parse_url("http://127.0.0.1:1"), "m", ChatShape()).new_stream()


def read(protocol, reads, by_piece=True):
    """What a stream and its response are after these reads, or the error that they raise."""
    holder = SimpleNamespace(stream=stream_of(protocol))
    parser = StreamParser(holder)
    response = None
    try:
        for number, data in enumerate(reads, 1):
            if not (by_piece and parser.takes_piece(data, number)):
                response = response or parser.feed(data)
    except HttpError as error:
        return str(error)
    stream = holder.stream
    counts = (len(stream.instants_ns), stream.prompt_tokens, stream.cached_tokens, stream.usage_tokens)
    return stream.text, counts, stream.answer_ns != -1, response and (response.body, response.size_bytes)


@st.composite
def streams(draw):
    protocol = draw(st.sampled_from(sorted(FORMS)))
    form = draw(st.sampled_from(FORMS[protocol]))
    how = {"ascii_only": draw(st.booleans()), "spaces": draw(st.booleans())}
    texts = draw(st.lists(TEXTS, min_size=1, max_size=12))
    frame = draw(st.sampled_from(FRAMES))
    chunks = [frame % (len(data), data) for data in [*(form(text, **how) for text in texts), ENDS[protocol]]]
    return protocol, [HEAD, *chunks, b"0\r\n\r\n"]


@settings(max_examples=150, deadline=None)
@given(recorded=streams(), cuts=st.lists(st.integers(0, 4000), max_size=4))
def test_a_stream_read_chunk_by_chunk_is_the_one_read_in_small_parts(recorded, cuts):
    protocol, reads = recorded
    body = b"".join(reads)
    expected = read(protocol, [body[at : at + 7] for at in range(0, len(body), 7)], by_piece=False)
    assert read(protocol, reads) == expected
    assert read(protocol, reads, by_piece=False) == expected
    assert read(protocol, [body]) == expected
    edges = sorted({min(each, len(body)) for each in cuts} | {0, len(body)})  # several chunks in a read
    assert read(protocol, [body[a:b] for a, b in itertools.pairwise(edges)]) == expected
    grouped = [*reads[:3], *(b"".join(reads[at : at + 3]) for at in range(3, len(reads), 3))]
    assert read(protocol, grouped) == expected
    starts = [sum(map(len, reads[:each])) for each in range(len(reads))]
    edges = sorted({min(each, len(body)) for each in [*starts, *cuts]} | {0, len(body)})
    assert read(protocol, [body[a:b] for a, b in itertools.pairwise(edges)]) == expected


def test_pieces_of_one_form_are_read_without_decoding_and_keep_the_instants_of_their_arrival():
    holder = SimpleNamespace(stream=stream_of("openai"))
    parser = StreamParser(holder)
    first, *others = [b"%x\r\n%b\r\n" % (len(data), data) for data in (event(chat(f" w{each}")) for each in range(9))]
    parser.feed(HEAD + first)
    assert [parser.takes_piece(data, 100 + number) for number, data in enumerate(others)] == [True] * 8
    assert list(holder.stream.instants_ns)[1:] == list(range(100, 108))
    assert holder.stream.text == "".join(f" w{each}" for each in range(9))


def test_several_pieces_of_one_form_in_a_read_are_not_decoded_either(monkeypatch):
    holder = SimpleNamespace(stream=stream_of("openai"))
    parser = StreamParser(holder)
    first, *others = [b"%x\r\n%b\r\n" % (len(data), data) for data in (event(chat(f" w{each}")) for each in range(9))]
    parser.feed(HEAD + first)
    monkeypatch.setattr(type(holder.stream), "feed", None)
    parser.read_ns = 100
    assert parser.feed(b"".join(others[:5])) is None
    assert parser.takes_piece(others[5], 200)
    assert list(holder.stream.instants_ns)[1:] == [100] * 5 + [200]
    assert holder.stream.text == "".join(f" w{each}" for each in range(7))
    monkeypatch.undo()
    assert parser.feed(others[6] + others[7][:9]) is None  # a part of a chunk is left to llhttp
    assert len(holder.stream.instants_ns) == 8


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00", ""])
def test_a_text_that_json_does_not_write_as_it_is_is_left_to_the_decoder(text):
    holder = SimpleNamespace(stream=stream_of("openai"))
    parser = StreamParser(holder)
    frames = [b"%x\r\n%b\r\n" % (len(data), data) for data in (event(chat(each)) for each in (" a", text))]
    parser.feed(HEAD)
    parser.feed(frames[0])
    assert not parser.takes_piece(frames[1], 5)
    parser.feed(frames[1])
    assert holder.stream.text == " a" + text


def test_bytes_of_a_piece_that_are_no_json_end_the_stream():
    good = event(chat(" a"))
    for data in (good.replace(b" a", b"\n"), good.replace(b" a", b"\xff")):
        holder = SimpleNamespace(stream=stream_of("openai"))
        parser = StreamParser(holder)
        parser.feed(HEAD)
        parser.feed(b"%x\r\n%b\r\n" % (len(good), good))
        frame = b"%x\r\n%b\r\n" % (len(data), data)
        assert not parser.takes_piece(frame, 5)
        with pytest.raises(HttpError, match="no chat completion chunk"):
            parser.feed(frame)


def test_a_compressed_stream_may_have_several_gzip_members():
    first, last = (gzip.compress(part) for part in (FORMS["openai"][0]("Hello"), ENDS["openai"]))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    raw = head + b"Content-Length: %d\r\n\r\n%b" % (len(first + last), first + last)
    for reads in ([raw], [raw[at : at + 1] for at in range(len(raw))], [raw[: -len(last)], raw[-len(last) :]]):
        assert read("openai", reads)[0] == "Hello"
