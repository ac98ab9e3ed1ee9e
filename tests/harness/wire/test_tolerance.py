import numpy as np
import pytest

from harness.errors import UserError
from harness.plan.option_text import parse_tolerance
from harness.wire.tolerance import Tolerance, allows_neighbours, allows_zeros, tolerance_for


@pytest.mark.parametrize(
    ("expected", "model", "tolerance"),
    [
        ("FP32", "FP32", Tolerance(1e-3, 1e-6)),
        ("FP64", "FP32", Tolerance(1e-3, 1e-6)),  # the model computes in less than was expected
        ("FP64", "FP64", Tolerance(1e-9, 1e-12)),
        ("FP32", "FP16", Tolerance(1e-2, 1e-4)),
        ("FP32", "INT64", Tolerance(1e-3, 1e-6)),
        ("INT64", "INT64", Tolerance(0.0, 0.0)),
        ("INT64", "BYTES", Tolerance(0.0, 0.0)),
    ],
)
def test_the_less_precise_datatype_decides(expected, model, tolerance):
    assert tolerance_for(expected, model) == tolerance


def test_zeros_pass_where_values_are_smaller_than_the_tolerance():
    small, tolerance = np.array([[5e-4, 5e-4], [0.0, 0.0], [5e-4, 2.0], [9e-4, 0.0]]), Tolerance(0.0, 1e-3)
    assert allows_zeros(small, tolerance) == 0.5  # the second is 0 and right, the third has a 2
    assert allows_zeros(small, Tolerance(1e-3, 1e-6)) == 0.0
    assert allows_zeros(small, Tolerance(1.0, 0.0)) == 0.75
    assert allows_zeros(np.zeros(0), tolerance) is None


def test_neighbours_pass_where_whole_numbers_are_great():
    labels, tolerance = np.array([[3.0], [999.0], [1000.0], [5000.0]], np.float32), Tolerance(1e-3, 0.0)
    assert allows_neighbours(labels, tolerance) == 0.5  # 999 allows 0.999
    assert allows_neighbours(labels.astype(np.int64), Tolerance(0.0, 0.5)) == 0.0
    assert allows_neighbours(np.array([[5000.0, 3.0], [5000.0, 6000.0]]), tolerance) == 0.5  # the 3 is compared well
    assert allows_neighbours(labels + 0.5, tolerance) == 0.0  # no whole numbers
    assert allows_neighbours(np.zeros(0), tolerance) is None


def test_a_tolerance_is_a_share_and_a_difference():
    assert parse_tolerance("0.01", "--tolerance") == Tolerance(0.01, 0.0)
    assert parse_tolerance("0.01,1e-5", "--tolerance") == Tolerance(0.01, 1e-5)


@pytest.mark.parametrize("text", ["", "x", "1,2,3", "-1", "nan", "0.1,inf"])
def test_no_tolerance(text):
    with pytest.raises(UserError, match="--tolerance"):
        parse_tolerance(text, "--tolerance")
