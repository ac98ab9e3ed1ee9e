"""Cutting a chain: as light as any cut can make its heaviest part."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plan.process_layout import balance


def heaviest(costs, ends):
    return max(sum(costs[start:end]) for start, end in zip((0, *ends), ends, strict=False))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9), st.data())
def test_no_other_cut_has_a_lighter_heaviest_part(costs, data):
    parts = data.draw(st.integers(1, len(costs)))
    ends = balance(costs, parts)
    assert len(ends) == parts
    assert ends[-1] == len(costs)
    assert all(before < after for before, after in zip((0, *ends), ends, strict=False)), "no part is empty"
    every_cut = [(*inner, len(costs)) for inner in combinations(range(1, len(costs)), parts - 1)]
    assert heaviest(costs, ends) == min(heaviest(costs, cut) for cut in every_cut)


def test_more_parts_than_pieces_is_refused():
    with pytest.raises(ValueError, match="2 pieces cannot make 3 parts"):
        balance([1, 1], 3)
