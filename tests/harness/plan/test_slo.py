from __future__ import annotations

import msgspec
import pytest
from answers_of import point_of, quantile_of

from harness.errors import UserError
from harness.judge.metrics import Counts, Latency
from harness.judge.slo_check import goodput_limit_ns, meets_slo
from harness.plan.slo import parse_slo


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("p99<50ms", [("p99", 50.0)]),
        ("p99.9 <= 1.5 s", [("p99.9", 1500.0)]),
        ("p50<250us, errors<1%", [("p50", 0.25), ("errors", 0.01)]),
        ("mean≤3ms,max<1s", [("mean", 3.0), ("max", 1000.0)]),
    ],
)
def test_parse(text, bounds):
    assert [(bound.metric, bound.limit) for bound in parse_slo(text).bounds] == bounds


@pytest.mark.parametrize(
    "text", ["", "p99", "p98<5ms", "p99<5", "p99<5%", "errors<5ms", "p99>5ms", "p99<-5ms", "p99<x ms"]
)
def test_what_does_not_parse_names_the_flag(text):
    with pytest.raises(UserError, match="--slo"):
        parse_slo(text)


@pytest.mark.parametrize(
    ("tail", "verdict"),
    [
        (quantile_of(40, 38, 45), True),  # the whole interval is inside
        (quantile_of(40, 38, 55), None),  # the interval lies across the limit
        (quantile_of(52, 48, 55), None),
        (quantile_of(60, 51, 70), False),
        (quantile_of(40, 38, None, at_least=True), None),  # requests were still open
        (quantile_of(60, 48, None, at_least=True), False),
        (quantile_of(None, 30, None), None),  # withheld, and its lower bound says nothing
        (quantile_of(None, 51, None), False),  # withheld, but surely above
    ],
)
def test_an_interval_decides_or_not(tail, verdict):
    assert meets_slo(point_of(tail=tail), parse_slo("p99<50ms")) is verdict


def test_a_withheld_percentile_is_kept_where_every_request_was():
    slo = parse_slo("p99<150ms")  # the slowest took 100 ms
    withheld = point_of(tail=quantile_of(None, 30, None))
    p90 = quantile_of(25, 24, 26, p=0.9)
    enough = msgspec.structs.replace(
        withheld, response=msgspec.structs.replace(withheld.response, quantiles=(p90, *withheld.response.quantiles))
    )
    assert meets_slo(withheld, slo) is None
    assert meets_slo(enough, slo) is True
    assert meets_slo(enough, parse_slo("p99<99ms")) is None


def test_all_bounds_must_hold():
    good = point_of(tail=quantile_of(40, 38, 45), counts=Counts(scheduled=100, sent=100, ok=98, error=2))
    assert meets_slo(good, parse_slo("p99<50ms,errors<5%")) is True
    assert meets_slo(good, parse_slo("p99<50ms,errors<1%")) is False
    assert meets_slo(good, parse_slo("p99<42ms,errors<1%")) is False
    assert meets_slo(good, parse_slo("mean<21ms,max<101ms,errors<2%")) is True
    assert meets_slo(good, parse_slo("mean<21ms,max<101ms")) is False  # without a bound of its own, 1 % may fail
    assert meets_slo(good, parse_slo("max<99ms")) is False


def test_no_answer_at_all_meets_nothing():
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    silent = msgspec.structs.replace(point_of(), response=nothing, counts=Counts(scheduled=9, sent=9, error=9))
    assert meets_slo(silent, parse_slo("p99<50ms")) is False


def test_goodput_counts_answers_within_the_tightest_latency_bound():
    assert goodput_limit_ns(parse_slo("p50<10ms,p99<50ms,errors<1%")) == 10_000_000
    assert goodput_limit_ns(parse_slo("errors<1%")) is None
