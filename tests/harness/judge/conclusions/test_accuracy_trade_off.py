import msgspec
import numpy as np
import pytest
from answers_of import point_of, quantile_of

from harness.judge.conclusions.accuracy_trade_off import accuracy_trade_off, trade_sentence
from harness.judge.findings import Verdict
from harness.judge.metrics import Accuracy
from harness.judge.numbers.accuracy import Shares, significantly_different
from harness.plan.slo import parse_slo

SLO = parse_slo("p99<50ms")
COUNT = 500


class Asked(dict):
    """Points with the shares of 500 payloads each, of which the first ones are right."""

    def __init__(self):
        super().__init__()
        self.points = []

    def model(self, name, rate, share, *, meets=True, tail=20.0, verdict=Verdict.VALID, payloads=None):
        number = len(self.points)
        point = point_of(rate, number=number, setting={"model": name}, meets=meets, tail=quantile_of(tail, tail, tail))
        found = Accuracy(value=share, low=share, high=share, payloads=COUNT, answers=5000)
        right = (np.arange(COUNT) < round(share * COUNT)).astype(float)
        payloads = np.arange(COUNT) if payloads is None else payloads
        self[number] = Shares(payloads, right[payloads])
        self.points.append(msgspec.structs.replace(point, accuracy=found, verdict=verdict))
        return self

    def trade_off(self, slo=SLO):
        return accuracy_trade_off(self.points, slo, self)

    def front(self, slo=SLO):
        return [each.setting["model"] for each in self.trade_off(slo) if each.on_front]

    def sentence(self, best=0):
        return trade_sentence(self.trade_off(), self.points, best, self).replace("\u202f", " ")


def test_the_front_has_what_no_other_beats_in_both():
    asked = Asked().model("small", 4000, 0.84).model("large", 1000, 0.90).model("poor", 900, 0.86)
    assert asked.model("equal", 1000, 0.90).front() == ["small", "large", "equal"]


def test_a_setting_competes_at_its_best_load_within_the_objective():
    asked = Asked().model("small", 4000, 0.84).model("large", 1000, 0.90).model("large", 3000, 0.90, meets=False)
    found = asked.model("late", 9000, 0.99, meets=False).trade_off()
    assert [each.point for each in found] == [0, 1, 3]
    assert [each.on_front for each in found] == [True, True, False]
    assert asked.front(None) == ["late"]


def test_nothing_is_traded_where_accuracy_is_the_same_or_not_known():
    assert Asked().model("a", 1, 0.9).model("b", 2, 0.9).trade_off() == ()
    assert accuracy_trade_off([point_of(1000), point_of(2000, number=1)], SLO, {}) == ()
    assert Asked().model("a", 1, 0.9).model("b", 2, 0.8, verdict=Verdict.INVALID).trade_off() == ()


def test_settings_are_compared_on_the_payloads_that_all_were_asked():
    easy, hard = np.arange(300), np.arange(200, COUNT)
    assert Asked().model("a", 1, 0.9, payloads=easy).model("b", 2, 0.9, payloads=hard).trade_off() == ()
    found = Asked().model("a", 1, 0.5, payloads=easy).model("b", 2, 0.9, payloads=hard).trade_off()
    assert [(each.accuracy.payloads, each.accuracy.value) for each in found] == [(100, 0.5), (100, 1.0)]


def test_the_sentence_names_what_accuracy_costs():
    asked = Asked().model("small", 4000, 0.84, tail=12.0).model("large", 1000, 0.90, tail=40.0)
    assert asked.sentence() == (
        "The trade: model=large is right for 90 % of payloads instead of 84 %, 6 points more, "
        "at 0.25\u00d7 the throughput (p99 40 ms against 12 ms)."
    )


def test_a_difference_of_few_payloads_is_doubted():
    assert "on 500 payloads the two accuracies cannot be distinguished" in (
        Asked().model("a", 4000, 0.84).model("b", 1000, 0.85).sentence()
    )


def test_where_the_fastest_is_the_most_accurate_there_is_no_trade():
    asked = Asked().model("a", 4000, 0.90).model("b", 1000, 0.84)
    assert asked.sentence().startswith("It is also right most often: for 90")
    assert trade_sentence((), asked.points, 0, asked) == ""


@pytest.mark.parametrize(("better", "worse", "apart"), [(6, 0, True), (5, 0, False), (30, 12, True), (12, 12, False)])
def test_accuracies_are_told_apart_by_mcnemars_exact_test(better, worse, apart):
    # Two-sided: 2 * 0.5**6 = 0.031, 2 * 0.5**5 = 0.063.
    one = np.array([1.0] * better + [0.0] * worse + [1.0] * 50)
    other = np.array([0.0] * better + [1.0] * worse + [1.0] * 50)
    assert significantly_different(one, other) is apart
