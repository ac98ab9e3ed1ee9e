import numpy as np
import pytest

from harness.errors import UserError
from harness.wire.payload_bank import Bank, BankMeta

RAGGED = BankMeta(model="m", datatype="INT16", input_shape=(-1, 2), output_shape=(2,))


def bank_of(items, meta=RAGGED):
    return Bank(meta, items, np.arange(len(items)), np.zeros((len(items), 2), np.float32))


def test_items_of_different_lengths_come_back_as_they_were(tmp_path):
    items = tuple(np.arange(2 * length, dtype=np.int16).reshape(length, 2) - length for length in (3, 1, 4))
    bank_of(items).save(tmp_path / "bank.npz")
    found = Bank.load(tmp_path / "bank.npz")
    assert found.meta == RAGGED
    assert found.meta.ragged
    assert [item.dtype for item in found.inputs] == [np.int16] * 3
    assert all(np.array_equal(a, b) for a, b in zip(found.inputs, items, strict=True))


def test_items_of_one_shape_stay_one_array_of_their_type(tmp_path):
    meta = BankMeta(model="m", datatype="UINT8", input_shape=(2, 2), output_shape=(2,))
    bank_of(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), meta).save(tmp_path / "bank.npz")
    found = Bank.load(tmp_path / "bank.npz")
    assert not found.meta.ragged
    assert (found.inputs.shape, found.inputs.dtype) == ((3, 2, 2), np.uint8)


@pytest.mark.parametrize("cut", [0, 10, -40])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, cut):
    path = tmp_path / "bank.npz"
    bank_of((np.zeros((2, 2), np.int16),)).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="not a readable payload bank"):
        Bank.load(path)
