"""Requests that are made ahead are those that would have been made when they were due."""

import json

import pytest

from harness.measure.load.chat import openings
from harness.measure.load.chat.conversations import ConversationSource
from harness.measure.load.chat.openings import Openings
from harness.measure.load.chat.texts import TextMaker
from harness.plan.load_options import chat_of
from harness.plan.request_lengths import TraceLengths
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url

BANK = PromptBank(model="", prompts=("Why is the sky blue?", "How do bees fly?"))


@pytest.fixture
def lengths(tmp_path):
    path = tmp_path / "lengths.csv"
    path.write_text("".join(f"{number},{10 + number},5\n" for number in range(40)))
    return TraceLengths(path, "--lengths")


def opened(lengths=None, **options):
    chat = chat_of({"turns": "1", **options})
    codec = make_text_codec("openai", parse_url("http://127.0.0.1:1"), "m", chat)
    return Openings(ConversationSource(TextMaker(BANK, chat, unique=True), 2, chat, lengths, 1, codecs=[codec]))


def prompt_words(opening):
    return len(json.loads(opening.request.partition(b"\r\n\r\n")[2])["messages"][-1]["content"].split())


@pytest.mark.parametrize("options", [{}, {"prompt_words": "5-50"}, {"turns": "1-4"}])
def test_what_was_made_ahead_comes_in_the_order_of_the_seed(options):
    ahead, later = opened(**options), opened(**options)
    for _ in range(3):
        assert ahead.make_one()
    assert [ahead.take().request for _ in range(6)] == [later.take().request for _ in range(6)]


def test_a_request_of_a_trace_that_is_not_sent_takes_its_line_with_it(lengths):
    made = opened(lengths)
    for _ in range(3):
        made.make_one()
    sizes = []
    for number in range(6):
        if number in (1, 4):  # one that was made ahead, and one that was not
            made.skip()
        else:
            sizes.append(prompt_words(made.take()))
    assert sizes == [10, 12, 13, 15]


def test_without_a_trace_nothing_is_lost_with_a_request_that_is_not_sent():
    skips, other = opened(), opened()
    skips.skip()
    assert skips.take().request == other.take().request


def test_nothing_is_made_ahead_where_later_turns_use_the_same_lines(lengths):
    assert not opened(lengths, turns="3").make_one()
    assert opened(lengths, turns="1").make_one()


def test_no_more_is_made_ahead_than_may_be_held(monkeypatch):
    monkeypatch.setattr(openings, "MOST", 4)
    made = opened()
    assert [made.make_one() for _ in range(5)] == [True] * 4 + [False]
    made.take()
    assert made.make_one()
    monkeypatch.setattr(openings, "MOST_BYTES", len(made.take().request))
    assert not made.make_one()
