"""Occlusion worked out by hand on functions whose losses are known."""

import numpy as np
import pytest

from targets.explain.occlusion import Occlusion, part_of_value

WEIGHTS = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 1.0]], np.float32)


def linear(inputs):
    """Two classes, each a weighted sum."""
    return inputs.reshape(len(inputs), -1) @ WEIGHTS.T


def test_each_value_of_a_linear_model_loses_its_own_product():
    inputs = np.array([[1, 1, 1, 1], [2, 0, 1, 3]], np.float32)
    # The first class has the larger output in both: 10 against 1, 17 against 3.
    expected = [[1, 2, 3, 4], [2, 0, 3, 12]]
    np.testing.assert_allclose(Occlusion(linear, 4).explain(inputs), expected)


def test_the_predicted_class_is_explained_and_no_other():
    inputs = np.array([[-9, 0, 0, 1]], np.float32)  # the first class has -5, the second 1
    np.testing.assert_allclose(Occlusion(linear, 4).explain(inputs), [[0, 0, 0, 1]])


def test_the_values_of_a_part_share_its_whole_loss():
    inputs = np.ones((1, 2, 2), np.float32)
    np.testing.assert_allclose(Occlusion(linear, 2).explain(inputs), [[[3, 3], [7, 7]]])


def test_several_rows_are_explained_as_each_alone():
    inputs = np.random.default_rng(1).random((9, 4), dtype=np.float32)
    explain = Occlusion(linear, 3).explain
    np.testing.assert_array_equal(explain(inputs), np.concatenate([explain(row[None]) for row in inputs]))


def test_all_variants_of_all_rows_go_through_the_model_together():
    calls = []

    def counting(inputs):
        calls.append(len(inputs))
        return linear(inputs)

    Occlusion(counting, 4).explain(np.ones((3, 4), np.float32))
    assert calls == [3 * 5]


@pytest.mark.parametrize(
    ("values", "parts", "expected"),
    [(4, 2, [0, 0, 1, 1]), (5, 2, [0, 0, 0, 1, 1]), (3, 9, [0, 1, 2]), (4, 1, [0, 0, 0, 0])],
)
def test_parts_are_of_nearly_the_same_size_and_never_more_than_values(values, parts, expected):
    assert part_of_value(values, parts).tolist() == expected
