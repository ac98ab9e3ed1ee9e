import numpy as np
import pytest

from targets.preprocessing.tensor_spec import TensorSpec

SOUND = TensorSpec(datatype="INT16", shape=(-1,), shortest=2, longest=50, pad=-9, quantum=8, offset=4)


@pytest.mark.parametrize(
    ("length", "padding", "expected"),
    [
        (2, "longest", 12),
        (12, "longest", 12),
        (13, "longest", 20),
        (21, "longest", 28),
        (21, "bucket", 36),
        (37, "bucket", 52),
        (2, "full", 52),
    ],
)
def test_lengths_are_the_offset_and_a_multiple(length, padding, expected):
    assert SOUND.padded_length(length, padding) == expected


def test_blocks_of_different_lengths_are_padded_at_their_end():
    batch = SOUND.join([np.array([[1, 2, 3]], np.int16), np.array([[4, 5], [6, 7]], np.int16)])
    assert batch.dtype == np.int16
    assert batch.tolist() == [[1, 2, 3] + [-9] * 9, [4, 5] + [-9] * 10, [6, 7] + [-9] * 10]


def test_a_block_that_needs_no_padding_is_not_copied():
    block = np.zeros((1, 12), np.int16)
    assert SOUND.join([block]) is block


def test_random_items_are_of_the_form_and_seeded():
    items = SOUND.random_items(np.random.default_rng(1), 100)
    assert all(2 <= len(item) <= 50 and item.dtype == np.int16 for item in items)
    assert len({len(item) for item in items}) > 20
    again = SOUND.random_items(np.random.default_rng(1), 100)
    assert all(np.array_equal(a, b) for a, b in zip(items, again, strict=True))
    assert TensorSpec(datatype="UINT8", shape=(2, 3)).random_items(np.random.default_rng(1), 5).shape == (5, 2, 3)
