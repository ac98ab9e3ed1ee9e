"""Every recorded stream is read exactly, on a clock that the test sets, however its bytes are cut."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.plan.chat_shape import ChatShape
from harness.wire.language.output_stream import StreamError
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url
from tests.harness.wire.language.recorded_streams import STREAMS

MS = 1_000_000


def new_stream(protocol):
    return make_text_codec(protocol, parse_url("http://127.0.0.1:1"), "m", ChatShape()).new_stream()


def read(recorded, pieces):
    """The stream after `pieces`, of (bytes, instant)."""
    stream = new_stream(recorded.protocol)
    for data, now_ns in pieces:
        stream.feed(data, now_ns)
    stream.end()
    return stream


def test_there_are_forty_streams_of_ten_servers():
    assert len(STREAMS) >= 40
    assert len({each.name.partition(",")[0] for each in STREAMS}) >= 10
    assert len({each.name for each in STREAMS}) == len(STREAMS)


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda each: each.name)
def test_a_recorded_stream_is_read_exactly(recorded):
    pieces = [(event, number * MS) for number, event in enumerate(recorded.events, 1)]
    if recorded.error:
        with pytest.raises(StreamError, match=recorded.error):
            read(recorded, pieces)
        return
    stream = read(recorded, pieces)
    assert list(stream.instants_ns) == [number * MS for number in recorded.pieces]
    assert stream.answer_ns == (recorded.answer * MS if recorded.answer > 0 else -1)
    assert stream.text == recorded.text
    assert (stream.prompt_tokens, stream.cached_tokens, stream.usage_tokens) == recorded.counts
    assert stream.whole


@settings(max_examples=300, deadline=None)
@given(recorded=st.sampled_from(STREAMS), cuts=st.lists(st.integers(0, 2000), max_size=6))
@example(recorded=next(each for each in STREAMS if each.name == "tgi, error event"), cuts=[159])  # behind its name
def test_where_the_bytes_are_cut_changes_nothing_but_when_a_piece_is_complete(recorded, cuts):
    body = b"".join(recorded.events)
    ends = sorted({min(cut, len(body)) for cut in cuts} | {len(body)})
    pieces = [(body[start:end], number) for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False), 1)]
    if recorded.error:
        with pytest.raises(StreamError, match=recorded.error):
            read(recorded, pieces)
        return
    stream = read(recorded, pieces)
    assert (len(stream.instants_ns), stream.text) == (len(recorded.pieces), recorded.text)
    assert list(stream.instants_ns) == sorted(stream.instants_ns)
    assert (stream.prompt_tokens, stream.cached_tokens, stream.usage_tokens) == recorded.counts


EVENTS = sorted({event for each in STREAMS for event in each.events})


@settings(max_examples=500, deadline=None)
@given(
    protocol=st.sampled_from(sorted({each.protocol for each in STREAMS})),
    events=st.lists(st.sampled_from(EVENTS), max_size=10),
    cut=st.integers(0, 60),
)
def test_no_stream_is_whole_without_a_first_piece(protocol, events, cut):
    stream = new_stream(protocol)
    body = b"".join(events)
    try:
        stream.feed(body[: len(body) - cut] if cut else body, 7)
        stream.end()
    except StreamError:
        assert not stream.whole
    else:
        assert stream.whole
        assert stream.first_ns == 7
        assert stream.output_tokens >= 1
