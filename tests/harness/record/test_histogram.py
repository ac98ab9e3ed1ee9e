"""Histograms against exact values, and put together from parts."""

import numpy as np
import pytest
from evidence_of import START, S, closed_loop, report_of

from harness.record.histogram import HIGHEST_NS, LOWEST_NS, RELATIVE_ERROR, DurationHistogram
from harness.record.load_report import live_of

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
    parts = [of(part) for part in np.array_split(values, 8)]
    whole = of(values)
    assert (
        DurationHistogram.sum_of(parts).encode() == DurationHistogram.sum_of(reversed(parts)).encode() == whole.encode()
    )
    assert DurationHistogram.sum_of(parts).count == values.size


def test_it_survives_the_wire(values):
    whole = of(values)
    again = DurationHistogram.decode(whole.encode())
    assert again.encode() == whole.encode()
    assert len(whole.encode()) < 4096


def test_what_is_out_of_range_counts_at_its_end():
    histogram = of([0, 5, HIGHEST_NS * 3])
    assert histogram.count == 3
    assert histogram.quantile_ms(0.5) == pytest.approx(LOWEST_NS / MS, rel=RELATIVE_ERROR)
    assert histogram.quantile_ms(1.0) == pytest.approx(HIGHEST_NS / MS, rel=RELATIVE_ERROR)


def test_an_empty_one_has_no_percentile():
    assert DurationHistogram().quantile_ms(0.5) is None
    assert DurationHistogram.sum_of([]).count == 0


def test_a_running_trial_is_the_sum_of_its_load_processes():
    rows = closed_loop(seconds=1)
    reports = [
        report_of(rows, 10.0, responses=of([4 * MS] * 150).encode(), error=3),
        report_of(rows, 10.0, worker=1, responses=of([40 * MS] * 50).encode(), error=0),
    ]
    live = live_of(reports, START + 2 * S)
    assert (live.seconds, live.answered, live.rate_rps, live.failed) == (2.0, 200, 100.0, 3)
    assert live.p50_ms == pytest.approx(4, rel=RELATIVE_ERROR)
    assert live.p99_ms == pytest.approx(40, rel=RELATIVE_ERROR)
    assert live_of(reports, START) is live_of([], START) is None
    assert live_of([report_of(rows, 1.0)], START + S).p50_ms is None
