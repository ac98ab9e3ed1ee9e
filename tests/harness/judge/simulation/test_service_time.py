"""The fitted service time: the line that made the batches, whatever a few of them suffered."""

import numpy as np
import pytest

from harness.judge.simulation.service_time import fit_service
from harness.plan.process_layout import stage_shares


def test_the_line_behind_noisy_batches_is_found():
    rng = np.random.default_rng(1)
    rows = rng.integers(1, 17, 4_000)
    noise = rng.normal(1.0, 0.05, rows.size)
    fit = fit_service(rows, (0.3 * rows + 3.0) * noise)
    assert (fit.slope_ms, fit.base_ms) == pytest.approx((0.3, 3.0), rel=0.03)
    assert fit.factors.mean() == pytest.approx(1.0)
    assert fit.factors.std() == pytest.approx(0.05, rel=0.1)


def test_batches_that_lost_their_core_lift_the_mean_and_tilt_nothing():
    rows = np.tile([1, 8], 500)
    times_ms = 1.0 * rows + 2.0
    times_ms[:20:2] = 100.0  # ten of the small ones
    fit = fit_service(rows, times_ms)
    assert fit.base_ms / fit.slope_ms == pytest.approx(2.0)
    total_ms = sum(fit.mean_ms(size) for size in rows) * fit.factors.mean()
    assert total_ms == pytest.approx(times_ms.sum(), rel=0.25)
    assert fit.factors.max() > 10


@pytest.mark.parametrize(
    ("rows", "times_ms", "slope_ms", "base_ms"),
    [
        ([4, 4, 4], [8.0, 8.0, 8.0], 2.0, 0.0),  # a single size: through the origin
        ([1, 8], [3.0, 2.0], 0.0, 2.5),  # more rows never take less time
        ([1, 8], [1.0, 10.0], 1.125, 0.0),  # nothing takes less than no time; the median of 1 and 1.25 per row
    ],
)
def test_what_cannot_be_is_noise(rows, times_ms, slope_ms, base_ms):
    fit = fit_service(np.array(rows), np.array(times_ms))
    assert fit.slope_ms / (fit.slope_ms + fit.base_ms) == pytest.approx(slope_ms / (slope_ms + base_ms))
    assert np.mean([fit.mean_ms(size) for size in rows]) == pytest.approx(np.mean(times_ms), rel=0.1)


def test_a_curve_that_bends_is_followed_and_goes_on_along_the_line():
    rows = np.repeat([1, 4, 16, 32], [500, 400, 300, 3])
    times_ms = np.select([rows == 1, rows == 4, rows == 16], [1.0, 2.5, 3.1], 5.0)
    fit = fit_service(rows, times_ms)
    assert [fit.mean_ms(size) for size in (1, 4, 16)] == pytest.approx([1.0, 2.5, 3.1], rel=0.02)
    assert fit.mean_ms(10) == pytest.approx(2.8, rel=0.02)  # half way between 4 and 16
    for size in (16, 24, 40):  # 32: too few to be believed
        assert fit.mean_ms(size + 1) - fit.mean_ms(size) == pytest.approx(fit.slope_ms)
    half = fit.scaled(0.5)
    assert [half.mean_ms(size) for size in (1, 10, 40)] == pytest.approx([fit.mean_ms(n) / 2 for n in (1, 10, 40)])


def test_below_the_smallest_batch_the_curve_goes_down_along_the_line_but_not_to_nothing():
    rows = np.repeat([4, 8], 100)
    fit = fit_service(rows, 1.0 * rows)
    assert [fit.mean_ms(size) for size in (1, 2, 4, 8)] == pytest.approx([1.0, 2.0, 4.0, 8.0])
    steep = fit_service(rows, np.where(rows == 4, 1.0, 9.0))
    assert 0 < steep.mean_ms(1) < steep.mean_ms(2) < steep.mean_ms(4)


def test_shares_of_stages_add_up_and_are_equal_where_nothing_is_known():
    assert stage_shares((1.0, 2.0, 1.0), 2) in ((0.25, 0.75), (0.75, 0.25))
    assert stage_shares((1.0, 2.0, 1.0), 3) == (0.25, 0.5, 0.25)
    assert stage_shares((), 4) == (0.25, 0.25, 0.25, 0.25)
    assert stage_shares((1.0,), 2) == (0.5, 0.5)
