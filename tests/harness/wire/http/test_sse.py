"""Server-sent events: whatever the pieces, the events are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.http import sse
from harness.wire.http.sse import SseError, SseParser


def events_of(*pieces):
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata:b\r\rdata:  c\n\n", [b"a", b"b", b" c"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b": a comment\n\nevent: ping\nid: 7\nretry: 10\n\n", []),
        (b"event: x\ndata: a\nunknown\n\n", [b"a"]),
        (b"data\n\n", [b""]),
        (b"data: not ended\n", []),
    ],
)
def test_events_by_the_standard(stream, events):
    assert events_of(stream) == events


def test_a_carriage_return_at_the_end_waits_for_its_line_feed():
    parser = SseParser()
    assert parser.feed(b"data: a\r\n\r") == []
    assert parser.feed(b"\ndata: b\r\n\r\n") == [b"a", b"b"]
    assert not parser.pending


def test_pending_tells_of_an_unfinished_event():
    parser = SseParser()
    parser.feed(b"data: half")
    assert parser.pending
    parser.feed(b"\n")
    assert parser.pending
    parser.feed(b"\n")
    assert not parser.pending
    parser.feed(b"event: error\n")  # its data is still to come
    assert parser.pending


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 50, b"data: 0123456789\n" * 5])
def test_an_event_without_end_is_refused(endless, monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 40)
    with pytest.raises(SseError, match="longer than 40 bytes"):
        events_of(endless)


lines = st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line)


@given(st.lists(st.lists(lines, min_size=1, max_size=3), max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_events_split_anywhere_are_the_same_events(texts, end, data):
    stream = b"".join(b"".join(b"data: " + line + end for line in text) + end for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert events_of(*pieces) == [b"\n".join(text) for text in texts]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_read_the_same_in_two_pieces(stream, cut):
    assert events_of(stream) == events_of(stream[:cut], stream[cut:])


DOCUMENTS = [b'{"a":1}', b'{"b":{"c":2}}', b"[DONE]", b'{"d":\n3}']


@given(st.lists(st.sampled_from(DOCUMENTS), max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_documents_split_anywhere_are_the_same_documents(documents, end, data):
    stream = b"".join(b"data: " + each.replace(b"\n", end + b"data: ") + end + end for each in documents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parser = SseParser(documents=True)
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event for piece in pieces for event in parser.feed(piece)] + parser.end() == documents
    assert (parser.failure, parser.pending) == (None, False)


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        (b"event: error\ndata: boom\n\n", b"boom"),
        (b"event: error\n\n", b""),
        (b"error: full\n\n", b"full"),
        (b"event: message\ndata: {}\n\n", None),
    ],
)
def test_an_event_that_is_named_an_error_is_a_failure(stream, failure):
    parser = SseParser(documents=True)
    events = parser.feed(stream) + parser.end()
    assert (events, parser.failure) == ([b"{}"] if failure is None else [], failure)


def test_documents_need_no_blank_line_between_them():
    parser = SseParser(documents=True)
    assert parser.feed(b'data: {"a":1}\ndata: {"b":2}\n') == [b'{"a":1}', b'{"b":2}']
