import pytest

from harness.measure.load.payloads import answer_check
from harness.measure.load.payloads.answer_check import AnswerCheck
from harness.measure.load.payloads.response_check import PLAUSIBLE, SEEN
from harness.record.rows import Outcome
from harness.wire.codec import HttpCodec


class CountingCodec(HttpCodec):
    """Counts how many bodies were looked into."""

    def __init__(self):
        self.looks = 0

    def require_answer(self, body):
        self.looks += 1
        super().require_answer(body)


@pytest.fixture
def codec():
    return CountingCodec()


@pytest.fixture
def check(codec):
    return AnswerCheck(codec, payloads=3, seed=3).check


ERROR = b'{"error": "out of memory"}'


def test_the_same_bytes_again_need_no_look(check, codec):
    assert [check(0, b'{"y": 9}') for _ in range(5000)] == [PLAUSIBLE, *[SEEN] * 4999]
    assert codec.looks == 1


def test_every_response_that_reports_a_failure_is_an_error(check, codec):
    results = [check(n % 3, ERROR if n % 4 else b'{"y": %d}' % (n % 10)) for n in range(4000)]
    assert [result.outcome for result in results] == [Outcome.ERROR if n % 4 else Outcome.OK for n in range(4000)]
    assert {result.reason for result in results if result.outcome} == {"no answer: out of memory"}


def test_a_seeded_share_of_a_known_kind_is_looked_into(check, codec):
    bodies = [b'{"y": %d}' % (n % 10) for n in range(20_000)]
    assert {check(0, body) for body in bodies} == {PLAUSIBLE, SEEN}
    assert 10 < codec.looks < 100  # 0.2 % of those that differ from the first
    again = CountingCodec()
    check_again = AnswerCheck(again, payloads=3, seed=3).check
    for body in bodies:
        check_again(0, body)
    assert again.looks == codec.looks


def test_the_first_response_to_each_payload_is_looked_into(check, codec):
    for payload in range(3):
        check(payload, b'{"y": 1}')
    assert codec.looks == 3


def test_all_of_a_length_are_looked_into_once_one_held_no_answer(check, codec, monkeypatch):
    monkeypatch.setattr(answer_check, "LOOK_SHARE", 0.0)
    good, bad = b'{"id":1,"y":"a fine cat"}', b'{"id":1,"error":"no room"}'
    assert len(good) + 1 == len(bad)
    assert check(0, good) == check(0, good + b" ") == PLAUSIBLE
    assert check(0, bad) == PLAUSIBLE  # of a known kind, and not drawn
    monkeypatch.setattr(answer_check, "LOOK_SHARE", 1.0)
    assert check(0, bad).outcome == Outcome.ERROR
    monkeypatch.setattr(answer_check, "LOOK_SHARE", 0.0)
    assert [check(0, bad).outcome for _ in range(3)] == [Outcome.ERROR] * 3


def test_with_a_number_in_front_of_every_body_few_are_looked_into(check, codec):
    assert {check(n % 3, b"[0.%06d]" % n) for n in range(2000)} == {PLAUSIBLE}
    assert codec.looks < 100
    assert check(0, b"<p>%06d" % 7) == PLAUSIBLE  # no page, and of a kind of its own
    assert check(0, b"<html>%06d" % 7).outcome == Outcome.ERROR
