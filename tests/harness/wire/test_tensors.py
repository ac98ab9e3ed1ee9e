"""Values on the wire: unchanged in the datatype that a model takes, or refused by name."""

import json
import struct

import numpy as np
import pytest

from harness.errors import UserError
from harness.wire.payload_bank import BankMeta
from harness.wire.protocols import make_codec
from harness.wire.server_url import ServerUrl
from harness.wire.tensors import datatype_of, held, json_values, numbers_of, tensor_bytes

URL = ServerUrl("127.0.0.1", 8000)
IDS = [101, 16_777_217, 2**31 + 1, 7]  # 16 777 217 is the first whole number that float32 has not


@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        (np.array(IDS), "INT64"),
        (np.array(IDS, np.uint64), "UINT64"),
        (np.array([1.0]), "FP64"),
        (np.array([1.0], ">f4"), "FP32"),
        (np.array([True]), "BOOL"),
        (np.array(["a"]), "BYTES"),
        (np.array([b"a"]), "BYTES"),
    ],
)
def test_an_array_has_the_datatype_of_its_dtype(values, datatype):
    assert datatype_of(values) == datatype


@pytest.mark.parametrize("values", [np.array([1j]), np.array(["2026-01-01"], "M8[s]")])
def test_other_dtypes_are_refused(values):
    with pytest.raises(UserError, match="is no datatype of a tensor"):
        datatype_of(values)


@pytest.mark.parametrize(
    ("values", "datatype", "says"),
    [
        (np.array([1.0, 0.842]), "UINT8", r"0\.842 does not fit UINT8 \(whole numbers from 0 to 255\)"),
        (np.array([7.0, 300.0]), "INT8", r"300\.0 does not fit INT8"),
        (np.array([300]), "UINT8", "300 does not fit UINT8"),
        (np.array([-1]), "UINT64", "-1 does not fit UINT64"),
        (np.array([2**63], np.uint64), "INT64", "9223372036854775808 does not fit INT64"),
        (np.array([np.nan]), "INT32", "nan does not fit INT32"),
        (np.array([3e9]), "INT32", r"3000000000\.0 does not fit INT32"),
        (np.array(IDS), "FP32", "16777217 does not fit FP32"),
        (np.array([1e39]), "FP32", r"1e\+39 does not fit FP32"),
        (np.array([70_000.0]), "FP16", r"70000\.0 does not fit FP16"),
        (np.array([2]), "BOOL", "2 does not fit BOOL"),
        (np.array(["a"]), "FP32", "'a' does not fit FP32"),
        (np.array([1.5]), "BYTES", r"1\.5 does not fit BYTES"),
    ],
)
def test_a_value_that_a_datatype_cannot_hold_is_named(values, datatype, says):
    with pytest.raises(UserError, match=says):
        held(values, datatype)


@pytest.mark.parametrize(
    ("values", "datatype"),
    [([0.0, 255.0], "UINT8"), ([-128.0, 127.0], "INT8"), ([0.1], "FP32"), ([0.1], "BF16"), ([0, 1], "BOOL")],
)
def test_what_a_datatype_holds_is_converted(values, datatype):
    np.testing.assert_allclose(held(np.array(values), datatype).astype(float), values, rtol=1e-6)


def test_nan_is_no_json_but_bytes():
    values = np.array([1.0, np.nan], np.float32)
    with pytest.raises(UserError, match=r"nan is no number in JSON.*http-binary"):
        json_values(values, "FP32")
    assert tensor_bytes(values, "FP32") == struct.pack("<2f", 1.0, float("nan"))


def test_bf16_is_the_upper_half_of_the_nearest_float32():
    # By hand: 1 + 2^-8 lies half-way between 1 (even) and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6 (even).
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -2.0, np.inf, np.nan], np.float32)
    raw = tensor_bytes(values, "BF16")
    assert struct.unpack("<6H", raw) == (0x3F80, 0x3F80, 0x3F82, 0xC000, 0x7F80, 0x7FC0)
    np.testing.assert_array_equal(numbers_of(raw, "BF16"), [1.0, 1.0, 1 + 2**-6, -2.0, np.inf, np.nan])
    assert json_values(values[:3], "BF16").tolist() == [1.0, 1.0, 1 + 2**-6]


def test_texts_have_their_length_before_them():
    assert tensor_bytes(np.array([[b"hi"], [b""]]), "BYTES") == b"\x02\0\0\0hi\0\0\0\0"
    assert tensor_bytes(np.array(["ä"]), "BYTES") == b"\x02\0\0\0\xc3\xa4"
    assert json_values(np.array([["ä"], ["b"]]), "BYTES") == [["ä"], ["b"]]
    with pytest.raises(UserError, match=r"b'\\xff' is no UTF-8 text"):
        json_values(np.array([b"\xff"]), "BYTES")


def body_of(protocol, values, datatype, **more):
    meta = BankMeta(model="m", input_name="x", datatype=datatype, input_shape=values.shape, output_shape=(2,), **more)
    return make_codec(protocol, URL, meta).encode(values).partition(b"\r\n\r\n")[2]


def test_whole_numbers_and_times_are_sent_as_they_are():
    form = "json:/predict?send=inputs[]"
    assert body_of(form, np.array(IDS), "INT64") == b'{"inputs":[[101,16777217,2147483649,7]]}'
    assert body_of(form, np.array([1764298465.123]), "FP64") == b'{"inputs":[[1764298465.123]]}'
    assert body_of(form, np.array(["hello"]), "BYTES") == b'{"inputs":[["hello"]]}'


def test_texts_go_through_every_protocol():
    texts = np.array([b"hello"])
    tensor = json.loads(body_of("v2", texts, "BYTES"))["inputs"][0]
    assert tensor == {"name": "x", "shape": [1, 1], "datatype": "BYTES", "data": ["hello"]}
    assert body_of("v2-binary", texts, "BYTES").endswith(b"}\x05\0\0\0hello")
    assert json.loads(body_of("tfs", texts, "BYTES")) == {"instances": [["hello"]]}


def test_a_model_without_a_batch_axis_gets_an_item_as_it_is():
    tensor = json.loads(body_of("v2", np.arange(16, dtype=np.float32), "FP32", batched=False))["inputs"][0]
    assert tensor["shape"] == [16]
    assert len(tensor["data"]) == 16
