"""Texts of exact lengths, of which no two begin alike unless that is asked for."""

from random import Random

import msgspec
import pytest

from harness.measure.load.chat.texts import TextMaker
from harness.plan.load_options import chat_of
from harness.record.rows import ABSENT
from harness.wire.language.prompts.vocabulary import COMMON_WORDS, Vocabulary
from harness.wire.prompt_bank import PromptBank

TEMPLATE = 31
WORDS = Vocabulary(words=COMMON_WORDS[:100], template_tokens=TEMPLATE, system=True)
BANK = PromptBank(model="", prompts=("Why is the sky blue?", "How do bees fly?"))


def maker(options, *, vocabulary=WORDS, unique=True, salt="s"):
    shape = msgspec.structs.replace(chat_of(options), vocabulary=vocabulary, salt=salt)
    return TextMaker(BANK, shape, unique=unique)


def words_of(made):
    return " ".join(message["content"] for message in made.messages).split()


def common_prefix(a, b):
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@pytest.mark.parametrize("size", [40, 512, 4000])
def test_a_prompt_has_as_many_words_as_the_template_leaves_room_for(size):
    made = maker({}).opening(0, size, Random(1))
    assert (len(words_of(made)), made.prompt_tokens) == (size - TEMPLATE, size)
    assert [message["role"] for message in made.messages] == ["system", "user"]


def test_a_size_below_the_templates_own_says_what_it_will_have():
    made = maker({}).opening(0, 5, Random(1))
    assert (len(words_of(made)), made.prompt_tokens) == (1, TEMPLATE + 1)


def test_no_two_prompts_begin_alike():
    texts = maker({})
    rng = Random(1)
    starts = {tuple(words_of(texts.opening(0, 512, rng))[:6]) for _ in range(2000)}
    assert len(starts) == 2000
    again = {tuple(words_of(maker({}, salt="other").opening(0, 512, Random("other/1")))[:6])}
    assert not starts & again


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_was_asked_for_is_the_common_beginning(share):
    texts, rng = maker({"prefix_share": str(share), "prompt_tokens": "512"}), Random(1)
    first, second = (texts.opening(0, 512, rng) for _ in range(2))
    common = common_prefix(words_of(first), words_of(second))
    assert (common + TEMPLATE - 5) / 512 == pytest.approx(share, abs=0.004)  # the last 5 tokens of a template follow
    assert first.shared_tokens == round(512 * share)


def test_lines_of_ours_begin_with_words_that_differ_and_the_users_are_said_as_they_are():
    ours, users = maker({}), maker({}, unique=False)
    said = [ours.opening(0, None, Random(seed)).messages[0]["content"] for seed in range(50)]
    assert len(set(said)) == 50
    assert all(text.split()[4:8] == ["Why", "is", "the", "sky"] and len(text.split()) == 384 for text in said)
    assert users.opening(1, None, Random(1)) == ([{"role": "user", "content": "How do bees fly?"}], ABSENT, ABSENT)


def test_a_prompt_of_ours_begins_in_the_system_message_where_the_server_takes_one():
    shape = msgspec.structs.replace(chat_of({}), system=True, made_words=48)
    made = TextMaker(BANK, shape, unique=True).opening(0, None, Random(1))
    assert [message["role"] for message in made.messages] == ["system", "user"]
    assert (len(words_of(made)), made.prompt_tokens, made.shared_tokens) == (48, ABSENT, 0)


def test_an_image_goes_with_its_line():
    bank = PromptBank(model="", prompts=("what?", "and this?"), images=((), ("data:image/png;base64,AA==",)))
    texts = TextMaker(bank, chat_of({}), unique=False)
    shown = texts.opening(1, None, Random(1)).messages[0]["content"]
    assert shown == [
        {"type": "text", "text": "and this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert texts.opening(0, None, Random(1)).messages[0]["content"] == [{"type": "text", "text": "what?"}]


def test_without_a_vocabulary_sizes_are_words_of_the_bank():
    made = maker({}, vocabulary=None, unique=False).opening(0, 7, Random(1))
    assert made.messages[0]["content"] == "Why is the sky blue? How do"
    assert made.prompt_tokens == ABSENT


def test_prompts_of_a_trace_share_what_their_blocks_share():
    rng = Random(3)
    trace = []  # a trie of documents: every request follows some path, and ends in blocks of its own
    for number in range(60):
        depth = rng.randrange(1, 6)
        shared = [rng.randrange(2) + 2 * level for level in range(depth)]
        trace.append(((*shared, 1000 + number), 512 * depth + rng.randrange(100, 512)))
    texts = maker({})
    made = [texts.of_blocks(blocks, size) for blocks, size in trace]
    assert [len(words_of(each)) + TEMPLATE for each in made] == [size for _, size in trace]
    seen, own, ours = [], 0, 0
    for (blocks, size), prompt in zip(trace, made, strict=True):
        words = words_of(prompt)
        own += max((min(512 * common_prefix(blocks, other), size) for other, _ in seen), default=0)
        ours += max((common_prefix(words, other) for _, other in seen), default=0)
        seen.append((blocks, words))
    assert ours / own == pytest.approx(1, abs=0.01)
