from __future__ import annotations

import numpy as np
import pytest

from harness.judge.stats.quantiles import nearest_rank, quantile


@pytest.mark.parametrize(
    ("values", "p", "expected"),
    [
        ([7], 0.0, 7),  # one value is every quantile
        ([7], 0.5, 7),
        ([7], 1.0, 7),
        ([1, 2], 0.5, 1),  # ceil(2 * 0.5) = 1st
        ([1, 2], 0.51, 2),
        ([1, 2], 0.99, 2),
        ([1, 2, 3], 0.5, 2),  # ceil(1.5) = 2nd
        ([1, 2, 3], 1 / 3, 1),
        ([1, 2, 3], 0.34, 2),
        ([5, 5, 5, 9], 0.75, 5),  # ties
        ([5, 5, 5, 9], 0.76, 9),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 0.07, 7),  # 100 * 0.07 is 7.000000000000001 in floats
        (range(1, 1001), 0.999, 999),
    ],
)
def test_nearest_rank_by_hand(values, p, expected):
    assert quantile(np.array(values), p) == expected


def test_it_is_numpys_inverted_cdf():
    values = np.sort(np.random.default_rng(1).lognormal(size=997))
    for p in (0.01, 0.5, 0.9, 0.99, 0.999):
        assert quantile(values, p) == np.quantile(values, p, method="inverted_cdf")


def test_ranks_of_many_sizes_at_once():
    assert nearest_rank([1, 2, 10, 100], 0.5).tolist() == [0, 0, 4, 49]
