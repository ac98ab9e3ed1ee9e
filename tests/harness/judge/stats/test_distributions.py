from __future__ import annotations

import pytest
from scipy.stats import norm, t

from harness.judge.stats.distributions import normal_cdf, normal_quantile, student_t_quantile


@pytest.mark.parametrize("p", [0.5, 0.95, 0.975, 0.9999])
def test_they_equal_those_of_scipy_stats(p):
    assert [student_t_quantile(p, freedom) for freedom in (1, 2.5, 19, 1e5)] == t.ppf(p, [1, 2.5, 19, 1e5]).tolist()
    assert normal_quantile(p) == norm.ppf(p)
    assert normal_cdf(normal_quantile(p)) == pytest.approx(p)


def test_student_t_by_hand():
    # One degree of freedom is Cauchy's distribution, whose 3/4 quantile is tan(45 degrees).
    assert student_t_quantile(0.75, 1) == pytest.approx(1)
