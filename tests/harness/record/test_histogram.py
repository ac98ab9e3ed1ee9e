"""Histograms against exact values, and put together from parts."""

import msgspec
import numpy as np
import pytest
from evidence_of import START, S, closed_loop, report_of

from harness.record.histogram import RELATIVE_ERROR, DurationHistogram
from harness.record.load_report import LoadReport, live_of

MS = 1_000_000


def of(values):
    histogram = DurationHistogram()
    histogram.add(np.asarray(values, dtype=np.int64))
    return histogram


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(1).lognormal(np.log(20 * MS), 0.8, 200_000).astype(np.int64)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99, 0.999])
def test_a_percentile_is_within_the_stated_error(values, p):
    exact_ms = np.quantile(values, p, method="inverted_cdf") / MS
    assert of(values).quantile_ms(p) == pytest.approx(exact_ms, rel=RELATIVE_ERROR)


def test_eight_parts_are_the_whole_in_any_order(values):
    parts = [of(part).counts for part in np.array_split(values, 8)]
    whole = of(values)
    assert DurationHistogram.sum_of(parts).counts == DurationHistogram.sum_of(reversed(parts)).counts == whole.counts
    assert DurationHistogram.sum_of(parts).count == values.size


def test_it_survives_the_report(values):
    whole = of(values)
    report = report_of(closed_loop(seconds=1), 10.0, response_times=whole.counts)
    again = msgspec.json.decode(msgspec.json.encode(report), type=LoadReport)
    assert again.response_times == whole.counts


def test_a_report_of_an_earlier_version_has_no_response_times():
    old = msgspec.to_builtins(report_of(closed_loop(seconds=1), 10.0)) | {"responses": "HISTFAAAAB"}
    del old["response_times"]
    assert msgspec.convert(old, LoadReport).response_times == {}


def test_a_duration_of_nothing_counts_in_the_lowest_bucket():
    assert of([0, -5, 1]).counts == {0: 3}


def test_an_empty_one_has_no_percentile():
    assert DurationHistogram().quantile_ms(0.5) is None
    assert DurationHistogram.sum_of([]).count == 0


def test_a_running_trial_is_the_sum_of_its_load_processes():
    rows = closed_loop(seconds=1)
    reports = [
        report_of(rows, 10.0, response_times=of([4 * MS] * 150).counts, error=3),
        report_of(rows, 10.0, worker=1, response_times=of([40 * MS] * 50).counts, error=0),
    ]
    live = live_of(reports, START + 2 * S)
    assert (live.seconds, live.answered, live.rate_rps, live.failed) == (2.0, 200, 100.0, 3)
    assert live.p50_ms == pytest.approx(4, rel=RELATIVE_ERROR)
    assert live.p99_ms == pytest.approx(40, rel=RELATIVE_ERROR)
    assert live_of(reports, START) is live_of([], START) is None
    assert live_of([report_of(rows, 1.0)], START + S).p50_ms is None


def test_the_rate_of_a_running_trial_is_of_the_time_whose_responses_were_counted():
    rows = closed_loop(seconds=1)
    counts = of([4 * MS] * 200).counts
    earlier = report_of(rows, 10.0, response_times=counts, counted_ns=START + 2 * S)
    later = report_of(rows, 10.0, worker=1, response_times=counts, counted_ns=START + 3 * S)
    live = live_of([earlier, later], START + 3 * S)  # 400 responses, counted after 2 and after 3 s
    assert (live.seconds, live.rate_rps) == (2.5, 160.0)
    draining = report_of(rows, 10.0, response_times=counts, counted_ns=START + 14 * S)
    assert live_of([draining], START + 15 * S).rate_rps == 20.0  # all 200 are of the 10 s that were measured
    assert live_of([report_of(rows, 10.0, counted_ns=START)], START + S) is None
