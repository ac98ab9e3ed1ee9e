import msgspec
import pytest
from answers_of import invalid, point_of, quantile_of

from harness.findings import Verdict
from harness.metrics import Accuracy
from harness.slo import parse_slo
from harness.trade import bargains, trade_sentence

SLO = parse_slo("p99<50ms")


def model(name, rate, share, *, number, meets=True, tail=20.0, spread=0.01, verdict=Verdict.VALID):
    point = point_of(rate, number=number, setting={"model": name}, meets=meets, tail=quantile_of(tail, tail, tail))
    found = Accuracy(value=share, low=share - spread, high=share + spread, payloads=500, answers=5000)
    return msgspec.structs.replace(point, accuracy=found, verdict=verdict)


def on_front(points, slo=SLO):
    return [each.setting["model"] for each in bargains(points, slo) if each.on_front]


def test_the_front_has_what_no_other_beats_in_both():
    points = [
        model("small", 4000, 0.84, number=0),
        model("large", 1000, 0.90, number=1),
        model("poor", 900, 0.86, number=2),
        model("equal", 1000, 0.90, number=3),
    ]
    assert on_front(points) == ["small", "large", "equal"]


def test_a_setting_competes_at_its_best_load_within_the_objective():
    points = [
        model("small", 4000, 0.84, number=0),
        model("large", 1000, 0.90, number=1),
        model("large", 3000, 0.90, number=2, meets=False),
        model("late", 9000, 0.99, number=3, meets=False),
    ]
    found = bargains(points, SLO)
    assert [each.point for each in found] == [0, 1, 3]
    assert [each.on_front for each in found] == [True, True, False]
    assert on_front(points, None) == ["late"]


def test_nothing_is_traded_where_accuracy_is_the_same_or_not_known():
    assert bargains([model("a", 1, 0.9, number=0), model("b", 2, 0.9, number=1)], SLO) == ()
    assert bargains([point_of(1000), point_of(2000, number=1)], SLO) == ()
    broken = model("b", 2, 0.8, number=1, verdict=Verdict.INVALID)
    assert bargains([model("a", 1, 0.9, number=0), broken], SLO) == ()
    assert invalid().verdict is Verdict.INVALID


def test_the_sentence_names_what_accuracy_costs():
    points = [model("small", 4000, 0.84, number=0, tail=12.0), model("large", 1000, 0.90, number=1, tail=40.0)]
    said = trade_sentence(bargains(points, SLO), points, 0).replace("\u202f", " ")
    assert said == (
        "The trade: model=large is right for 90 % of payloads instead of 84 %, 6 points more, "
        "at 0.25\u00d7 the throughput (p99 40 ms against 12 ms)."
    )


@pytest.mark.parametrize(("spread", "doubtful"), [(0.01, False), (0.05, True)])
def test_intervals_that_overlap_are_said_to(spread, doubtful):
    points = [model("a", 4000, 0.84, number=0, spread=spread), model("b", 1000, 0.90, number=1, spread=spread)]
    assert ("overlap" in trade_sentence(bargains(points, SLO), points, 0)) is doubtful


def test_where_the_fastest_is_the_most_accurate_there_is_no_trade():
    points = [model("a", 4000, 0.90, number=0), model("b", 1000, 0.84, number=1)]
    assert trade_sentence(bargains(points, SLO), points, 0).startswith("It is also right most often: for 90")
    assert trade_sentence((), points, 0) == ""
