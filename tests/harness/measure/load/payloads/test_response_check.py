import json

import msgspec
import numpy as np
import pytest

from harness.measure.load.payloads import response_check as checking
from harness.measure.load.payloads.response_check import PLAUSIBLE, RIGHT, WRONG, Checker, is_close
from harness.record.rows import Outcome
from harness.wire.codec import WireError
from harness.wire.payload_bank import Bank, BankMeta, ClientWork
from harness.wire.protocols import make_codec
from harness.wire.server_url import parse_url
from harness.wire.tolerance import Tolerance

DRAWN = RIGHT._replace(settled=False)  # right, and the next equal response may not be looked into
META = BankMeta(model="m", input_shape=(1,), output_shape=(2,), tolerance=1e-3)


class CountingCodec:
    """Bodies are two numbers in text; counts how many were decoded."""

    def __init__(self):
        self.decoded = 0

    def decode(self, body):
        self.decoded += 1
        try:
            return np.array([float(word) for word in body.split()])
        except ValueError as error:
            raise WireError(str(error)) from error

    def require_answer(self, body):
        raise AssertionError("responses that are compared are decoded")


def checker(mode, payloads=3, seed=0):
    expected = np.array([[n, n + 0.5] for n in range(payloads)], np.float32)
    bank = Bank(META, np.zeros((payloads, 1), np.float32), np.zeros(0, np.int64), expected)
    codec = CountingCodec()
    return Checker(codec, bank, mode, seed).check, codec


def test_an_answer_seen_before_is_right_without_decoding():
    check, codec = checker("all")
    assert [check(1, b"1 1.5") for _ in range(5)] == [RIGHT] * 5
    assert codec.decoded == 1


def test_the_right_answer_to_another_payload_is_wrong():
    check, _ = checker("all")
    assert check(0, b"0 0.5") == RIGHT
    assert check(1, b"0 0.5") == WRONG
    assert check(0, b"0 0.5") == RIGHT


def test_a_wrong_answer_is_never_remembered_as_right():
    check, codec = checker("all")
    assert [check(1, b"1 1.6")] * 2 == [WRONG] * 2
    assert check(1, b"1 1.6") == WRONG
    assert codec.decoded == 2


@pytest.mark.parametrize("body", [b"1", b"1 1.5 2", b"1 nan", b"1 inf", b"x y", b"1 1.502"])
def test_too_few_too_many_and_not_numbers_are_wrong(body):
    check, _ = checker("all")
    assert check(1, body) == WRONG


@pytest.mark.parametrize("mode", ["all", "sample"])
def test_what_reports_a_failure_is_an_error_with_its_words(mode):
    check, _ = checker(mode)
    result = check(1, b'{"error": "out of memory"}')
    assert (result.outcome, result.compared, result.predicted) == (Outcome.ERROR, 0, -1)
    assert result.reason == "no answer: out of memory"


def test_several_byte_forms_may_be_right_and_their_number_is_bounded(monkeypatch):
    monkeypatch.setattr(checking, "MAX_VARIANTS", 2)
    check, codec = checker("all")
    forms = [b"1 1.5", b"1.0 1.5", b"1.00 1.5", b"1.000 1.5"]
    for _ in range(3):
        assert [check(1, form) for form in forms] == [RIGHT] * 4
    assert codec.decoded == 4 + 2 + 2


def test_sampling_decodes_firsts_odd_lengths_and_a_seeded_share():
    check, codec = checker("sample", seed=3)
    assert check(0, b"0 0.5") == DRAWN
    assert check(1, b"1 1.5") == DRAWN
    verdicts = [check(0, b"0 0.5") for _ in range(4000)]
    assert 0.03 < verdicts.count(DRAWN) / 4000 < 0.07
    assert set(verdicts) == {DRAWN, PLAUSIBLE}
    assert check(0, b"0 0.5000000") == DRAWN
    assert check(0, b"garbage that is longer") == WRONG
    before = codec.decoded
    check_again, codec_again = checker("sample", seed=3)
    for payload, body in [
        (0, b"0 0.5"),
        (1, b"1 1.5"),
        *[(0, b"0 0.5")] * 4000,
        (0, b"0 0.5000000"),
        (0, b"garbage that is longer"),
    ]:
        check_again(payload, body)
    assert codec_again.decoded == before


def test_closeness():
    expected = np.array([1.0, 2.0])
    assert is_close(np.array([1.001, 2.0]), expected, Tolerance(0.0, 0.0011))
    assert not is_close(np.array([1.002, 2.0]), expected, Tolerance(0.0, 0.0011))
    assert not is_close(np.array([1.0]), expected, Tolerance(0.0, 1.0))
    assert not is_close(np.array([np.nan, 2.0]), expected, Tolerance(0.0, 1e9))

    assert is_close(np.array([1.009, 2.019]), expected, Tolerance(0.01, 0.0))
    assert not is_close(np.array([1.011, 2.0]), expected, Tolerance(0.01, 0.0))
    assert is_close(np.array([1.011, 2.0]), expected, Tolerance(0.01, 0.002))


def test_with_labels_the_predicted_class_is_told_of_right_and_wrong_answers():
    expected = np.array([[0.2, 0.8], [0.9, 0.1]], np.float32)
    bank = Bank(META, np.zeros((2, 1), np.float32), np.array([1, 1]), expected)
    codec = CountingCodec()
    check = Checker(codec, bank, "all", 0).check
    assert [check(0, b"0.2 0.8")[:3]] * 2 == [(0, 1, 1)] * 2
    assert check(1, b"0.9 0.1")[:3] == (0, 1, 0)
    assert check(1, b"0.3 0.7")[:3] == (1, 1, 1)
    assert check(1, b"0.3")[:3] == (1, 1, -1)
    assert check(1, b"nonsense") == WRONG


def test_the_answers_to_several_views_of_an_item_are_averaged():
    expected = np.array([[0.5, 0.5]], np.float32)
    client = ClientWork(target="batched", setting={})  # without one an item is one row
    for views, right in ((client, [True, False]), (None, [False, False])):
        meta = msgspec.structs.replace(META, client=views)
        bank = Bank(meta, np.zeros((1, 1), np.float32), np.array([1]), expected)
        check = Checker(CountingCodec(), bank, "all", 0).check
        outcomes = [check(0, body).outcome for body in (b"0.4 0.6 0.6 0.4", b"0.4 0.6 0.4 0.6")]
        assert outcomes == [Outcome.OK if each else Outcome.WRONG for each in right]


@pytest.mark.parametrize("protocol", ["v2", "v2-binary", "json:/p"])
def test_whole_numbers_that_float64_does_not_hold_are_compared_as_whole_numbers(protocol):
    ids = np.array([[2**53 + 1, 2**60 + 3, -(2**62) - 5]])
    meta = BankMeta(model="m", datatype="INT64", input_shape=(3,), output_shape=(3,), output_name="y")
    bank = Bank(meta, ids, np.zeros(0, np.int64), ids)
    check = Checker(make_codec(protocol, parse_url("http://127.0.0.1:1"), meta), bank, "all", 0).check

    def answer(values):
        tensor = {"name": "y", "datatype": "INT64", "shape": [1, 3]}
        if protocol == "v2-binary":
            raw = np.array(values).tobytes()
            return json.dumps({"outputs": [tensor | {"parameters": {"binary_data_size": 24}}]}).encode() + raw
        return json.dumps({"outputs": [tensor | {"data": values}]} if protocol == "v2" else values).encode()

    assert check(0, answer(ids[0].tolist())).outcome == Outcome.OK
    for place in range(3):
        other = ids[0].tolist()
        other[place] -= 1
        assert check(0, answer(other)) == WRONG
