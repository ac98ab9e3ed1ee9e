from __future__ import annotations

import msgspec
import numpy as np
import pytest
from answers_of import point_of, quantile_of

from harness.errors import UserError
from harness.judge.findings import Finding, Verdict
from harness.judge.metrics import Counts, Latency
from harness.judge.numbers.noise_by_kind import PRIOR_NOISE_BY_KIND, NoiseByKind
from harness.judge.slo_check import SloRows, goodput_limit_ns, meets_slo, seconds_to_decide, surely_missed
from harness.judge.stats.durations import Durations
from harness.judge.stats.trial_noise import TrialNoise
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
    "text", ["", "p99", "p98<5ms", "p99<5", "p99<5%", "errors<5ms", "p99>5ms", "p99<-5ms", "p99<x ms", "p99<0.0ms"]
)
def test_what_does_not_parse_names_the_flag(text):
    with pytest.raises(UserError, match="--slo"):
        parse_slo(text)


NOISES = NoiseByKind({"response": TrialNoise(0.0, 16)})


def rows_of(slow, count=10_000, *, open_ms=None):
    """All take 30 ms but `slow` of them, which take 80 ms or are still open after `open_ms`; in no order."""
    chosen = np.random.default_rng(1).permutation(count) < slow
    values_ms = np.where(chosen, 80 if open_ms is None else open_ms, 30)
    still_open = chosen if open_ms is not None else np.zeros(count, dtype=bool)
    return SloRows({"response": [Durations(values_ms * 1_000_000, still_open)]}, NOISES, users=8)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (rows_of(0), True),
        (rows_of(20), True),  # 0.2 % are slower
        (rows_of(100), None),  # 1 %, and nobody knows on which side the truth is
        (rows_of(500), False),
        (rows_of(0, count=100), None),  # too few to say what 1 % of them take
        (rows_of(500, open_ms=5), None),  # given up early: they may be slower or not
        (rows_of(500, open_ms=60), False),
    ],
)
def test_the_share_above_the_limit_decides(rows, verdict):
    assert meets_slo(point_of(), parse_slo("p99<50ms"), rows) is verdict


def test_all_bounds_must_hold():
    good = point_of(counts=Counts(scheduled=1000, sent=1000, ok=980, error=20))
    rows = rows_of(20)
    assert meets_slo(good, parse_slo("p99<50ms,errors<5%"), rows) is True
    assert meets_slo(good, parse_slo("p99<50ms,errors<1%"), rows) is False
    assert meets_slo(good, parse_slo("p50<29ms,errors<5%"), rows) is False
    assert meets_slo(good, parse_slo("p99.9<50ms,errors<1%"), rows) is False
    assert meets_slo(good, parse_slo("mean<21ms,max<101ms,errors<4%"), rows) is True
    # Without a bound of its own, 1 % may fail.
    assert meets_slo(good, parse_slo("mean<21ms,max<101ms"), rows) is False
    assert meets_slo(good, parse_slo("max<99ms"), rows) is False


@pytest.mark.parametrize(
    ("failed", "of", "limit", "verdict"),
    [  # The 95 % intervals of Clopper and Pearson, from tables: 0 of 20 is 0 to 16.8 %, 2 of 100 0.24 to 7.04 %.
        (0, 20, "0.1%", None),
        (0, 20, "17%", True),
        (2, 100, "7%", None),
        (2, 100, "8%", True),
        (2, 100, "0.3%", None),
        (2, 100, "0.2%", False),
        (0, 0, "1%", None),
        (0, 20, "0%", True),  # which no sample can show
        (1, 20, "0%", False),
    ],
)
def test_failures_are_within_a_limit_where_their_interval_is(failed, of, limit, verdict):
    point = point_of(counts=Counts(scheduled=of, sent=of, ok=of - failed, error=failed))
    assert meets_slo(point, parse_slo(f"errors<{limit}"), rows_of(0)) is verdict


def test_the_time_that_decides_failures_is_that_of_as_many_more_requests():
    # No failure of n requests excludes 1 % from n = 368 on (0.99^368 = 0.0248 < 0.025): 4 times 100.
    point = point_of(counts=Counts(scheduled=100, sent=100, ok=100))
    assert seconds_to_decide(point, parse_slo("errors<1%"), rows_of(0)) == pytest.approx(3 * point.seconds)
    assert seconds_to_decide(point, parse_slo("errors<0.1%"), rows_of(0)) is None  # it takes 3,688


def test_a_request_without_an_end_may_be_the_longest():
    ended = SloRows({"response": [Durations(np.full(9, 20_000_000), np.zeros(9, bool))]}, PRIOR_NOISE_BY_KIND, None)
    still_open = SloRows({"response": [Durations(np.full(9, 20_000_000), np.arange(9) < 1)]}, PRIOR_NOISE_BY_KIND, None)
    assert meets_slo(point_of(), parse_slo("max<101ms"), ended) is True
    assert meets_slo(point_of(), parse_slo("max<101ms"), still_open) is None
    assert meets_slo(point_of(), parse_slo("max<99ms"), still_open) is False


def test_requests_that_were_due_and_never_sent_are_failures():
    point = point_of(counts=Counts(scheduled=1000, not_sent=15, sent=985, ok=985))
    assert meets_slo(point, parse_slo("p99<50ms"), rows_of(0)) is False
    few = point_of(counts=Counts(scheduled=1000, not_sent=9, sent=991, ok=991))
    assert meets_slo(few, parse_slo("p99<50ms"), rows_of(0)) is True


def test_what_was_never_streamed_has_no_first_token():
    assert meets_slo(point_of(), parse_slo("ttft_p99<50ms"), rows_of(0)) is None


def test_no_answer_at_all_meets_nothing():
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    silent = msgspec.structs.replace(point_of(), response=nothing, counts=Counts(scheduled=9, sent=9, error=9))
    assert meets_slo(silent, parse_slo("p99<50ms"), rows_of(0, count=0)) is False


@pytest.mark.parametrize(
    ("tail", "missed"),
    [(quantile_of(60, 51, 70), True), (quantile_of(60, 49, 70), False), (quantile_of(60, 51, None), True)],
)
def test_service_times_alone_can_break_a_limit(tail, missed):
    assert surely_missed(point_of(tail=tail), parse_slo("p99<50ms")) is missed


@pytest.mark.parametrize(("kind", "missed"), [("lateness", True), ("harmed", False), ("loop_lag", False)])
def test_a_busy_machine_may_have_broken_the_limit(kind, missed):
    grave = Finding(kind=kind, title="x", verdict=Verdict.INVALID, text="x", remedy="x")
    point = msgspec.structs.replace(point_of(tail=quantile_of(60, 51, 70)), findings=(grave,), verdict=Verdict.INVALID)
    assert surely_missed(point, parse_slo("p99<50ms")) is missed


def test_goodput_counts_answers_within_the_tightest_latency_bound():
    assert goodput_limit_ns(parse_slo("p50<10ms,p99<50ms,errors<1%")) == 10_000_000
    assert goodput_limit_ns(parse_slo("errors<1%")) is None
