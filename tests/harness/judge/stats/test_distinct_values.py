"""Distinct values, against NumPy's own way of finding them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.stats import distinct_values
from harness.judge.stats.distinct_values import is_first, numbered

VALUES = st.lists(st.integers(-5, 5) | st.integers(-(2**40), 2**40), max_size=50)


@given(VALUES)
def test_values_are_numbered_as_numpy_does(values):
    array = np.array(values, dtype=np.int64)
    distinct, numbers = numbered(array)
    expected, places, inverse = np.unique(array, return_index=True, return_inverse=True)
    assert distinct.tolist() == expected.tolist()
    assert numbers.tolist() == inverse.tolist()
    assert np.flatnonzero(is_first(array)).tolist() == sorted(places.tolist())


def test_by_hand():
    assert [part.tolist() for part in numbered(np.array([7, 3, 7, 5]))] == [[3, 5, 7], [2, 0, 2, 1]]
    assert is_first(np.array([7, 3, 7, 3, 5])).tolist() == [True, True, False, False, True]


@given(VALUES, st.integers(1, 7), st.integers(0, 9))
def test_the_first_ones_are_the_same_in_blocks(values, block, few_kinds):
    _, places = np.unique(np.array(values, dtype=np.int64), return_index=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct_values, "_BLOCK", block)
        patch.setattr(distinct_values, "_FEW_KINDS", few_kinds)
        assert np.flatnonzero(is_first(np.array(values, dtype=np.int64))).tolist() == sorted(places.tolist())
