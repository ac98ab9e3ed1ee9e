"""Payloads for servers that are not ours, and the one request that is sent before any load."""

import contextlib
import json

import numpy as np
import pytest
from http_service import JsonHandler, served_by

from harness.errors import UserError
from harness.measure.target.external_payloads import PayloadChoice, external_bank
from harness.wire.payload_bank import Bank, BankMeta
from harness.wire.server_probe import ask_once

pytestmark = pytest.mark.process


@pytest.fixture
def server_of():
    """A server that describes `m` with these inputs, and answers posts with `reply(body)`: (status, document)."""

    def start(inputs=None, outputs=None, reply=lambda body: (200, {}), **others):
        described = {
            "inputs": [tensor("in", [-1, 4])] if inputs is None else inputs,
            "outputs": [tensor("out", [-1, 2])] if outputs is None else outputs,
            **others,
        }

        class Handler(JsonHandler):
            def do_GET(self):
                self.answer(
                    *(
                        (200, described)
                        if self.path in ("/v2/models/m", "/v2/models/digits-mlp")
                        else (404, {"error": "?"})
                    )
                )

            def do_POST(self):
                self.answer(*reply(self.rfile.read(int(self.headers["content-length"]))))

        return servers.enter_context(served_by(Handler))

    with contextlib.ExitStack() as servers:
        yield start


def tensor(name, shape, datatype="FP32"):
    return {"name": name, "shape": shape, "datatype": datatype}


def choice_of(url, **changes):
    return PayloadChoice(**{"url": url, "model": "m", "protocol": "http-json", "check": False} | changes)


def output_of(*numbers):
    return {"outputs": [{"name": "out", "data": list(numbers)}]}


def test_without_anything_else_numbers_of_the_right_shape_are_made(server_of):
    bank = external_bank(choice_of(server_of(inputs=[tensor("in", [-1, 3, 5])])))
    assert bank.inputs.shape[1:] == (3, 5)
    assert len(bank.expected) == 0
    assert bank.meta.input_name == "in"


def test_a_free_size_is_asked_for_and_taken(server_of):
    url = server_of(inputs=[tensor("in", [-1, -1, -1, 3])])
    with pytest.raises(UserError, match=r"'in' is of free size \(-1,-1,3\).*--shape 8,8,3.*--bank"):
        external_bank(choice_of(url))
    assert external_bank(choice_of(url, shape=(6, 7, 3))).inputs.shape[1:] == (6, 7, 3)
    with pytest.raises(UserError, match=r"--shape 6,7,4: m takes -1,-1,3"):
        external_bank(choice_of(url, shape=(6, 7, 4)))


def test_several_inputs_are_named_with_the_remedy(server_of):
    with pytest.raises(UserError, match=r"takes 2 inputs \(ids, mask\).*request bodies in a \.jsonl file"):
        external_bank(choice_of(server_of(inputs=[tensor("ids", [-1, 8]), tensor("mask", [-1, 8])])))


def test_text_is_no_number(server_of):
    with pytest.raises(UserError, match=r"BYTES.*payloads of your own"):
        external_bank(choice_of(server_of(inputs=[tensor("in", [-1, 1], "BYTES")])))


def test_arrays_of_the_users_own_are_sent_under_the_servers_names(server_of, tmp_path):
    inputs = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.savez(tmp_path / "mine.npz", inputs=inputs, expected=inputs[:, :2])
    bank = external_bank(choice_of(server_of(), file=str(tmp_path / "mine.npz"), check=True))
    np.testing.assert_array_equal(bank.inputs, inputs)
    np.testing.assert_array_equal(bank.expected, inputs[:, :2])
    assert (bank.meta.model, bank.meta.input_name, bank.meta.output_name) == ("m", "in", "out")


def test_arrays_without_answers_are_sent_and_not_checked(server_of, tmp_path):
    np.savez(tmp_path / "mine.npz", inputs=np.ones((3, 4)))
    assert len(external_bank(choice_of(server_of(), file=str(tmp_path / "mine.npz"))).expected) == 0


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"inputs": np.ones((3, 5))}, r"items are 5, but m .* takes 4"),
        ({"inputs": np.ones((3, 4)), "expected": np.ones((3, 7))}, r"expected predictions are 7, but m .* gives 2"),
        ({"inputs": np.ones((3, 4)), "expected": np.ones((2, 2))}, "3 inputs, but 2 expected"),
        ({"x": np.ones((3, 4)), "y": np.ones((3, 4))}, r"it holds x, y, and no `inputs`.*np\.savez"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_remedy(server_of, tmp_path, arrays, says):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError, match=says):
        external_bank(choice_of(server_of(), file=str(tmp_path / "mine.npz"), check=True))


def test_bodies_are_sent_as_they_are(server_of, tmp_path):
    seen = []

    def reply(body):
        seen.append(body)
        return 200, {"a": 1}

    (tmp_path / "mine.jsonl").write_text('{"a":  1}\n\n{"b": [2]}\n')
    url = server_of(reply=reply)
    bank = external_bank(choice_of(url, file=str(tmp_path / "mine.jsonl")))
    assert len(bank.inputs) == 2
    ask_once(url, "http-json", bank)
    assert seen == [b'{"a":  1}']
    bank.save(tmp_path / "kept.npz")
    assert Bank.load(tmp_path / "kept.npz").inputs[1].tobytes() == b'{"b": [2]}'


@pytest.mark.parametrize(("text", "says"), [('{"a": 1}\n{"b"\n', "line 2 is not JSON"), ("\n", "it is empty")])
def test_bodies_that_are_no_json_are_named_by_their_line(server_of, tmp_path, text, says):
    (tmp_path / "mine.jsonl").write_text(text)
    with pytest.raises(UserError, match=says):
        external_bank(choice_of(server_of(), file=str(tmp_path / "mine.jsonl")))


def test_plain_json_needs_payloads_from_somewhere(server_of):
    with pytest.raises(UserError, match=r"it does not say what the model takes.*--bank.*--reference"):
        external_bank(choice_of(server_of(), protocol="json:/predict"))


def known(expected=(1.0, 2.0)):
    meta = BankMeta(model="m", input_name="in", output_name="out", input_shape=(4,), output_shape=(len(expected),))
    return Bank(meta, np.ones((1, 4), np.float32), np.zeros(0, np.int64), np.array([expected], np.float32))


def test_a_first_answer_that_is_as_it_should_be_is_no_trouble(server_of):
    ask_once(server_of(reply=lambda body: (200, output_of(5, 6))), "http-json", known())


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((400, {"error": "expected shape [3]"}), r"refused \(HTTP 400: expected shape \[3\]\); check model, payloads"),
        ((200, output_of(1, 2, 3)), "has 3 numbers, but 2 are expected"),
        ((200, {"outputs": []}), "cannot be read"),
    ],
)
def test_metadata_that_lies_is_found_out_by_the_first_request(server_of, reply, says):
    with pytest.raises(UserError, match=says):
        ask_once(server_of(reply=lambda body: reply), "http-json", known())


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1.*no response"):
        ask_once("http://127.0.0.1:1", "http-json", known())


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npz", lambda _: b"", "neither .npz nor .npy"),
        ("a.npz", lambda _: b"not a zip at all", "neither .npz nor .npy"),
        ("a.csv", lambda _: "t\n0.0\n".encode("utf-16"), "neither .npz nor .npy"),
        ("a.npz", lambda path: saved(path, inputs=np.ones((8, 4)))[:300], "damaged, perhaps cut off"),
        ("a.npz", lambda path: saved(path, inputs=np.float32(3)), "a single value"),
        ("a.npz", lambda path: saved(path, inputs=np.zeros((0, 4))), "holds nothing"),
        ("a.npz", lambda path: saved(path, inputs=np.ones((2, 4)), expected=np.array(["a", "b"])), "must be numbers"),
        (
            "a.npz",
            lambda path: saved(path, inputs=np.ones((2, 4)), expected=np.array([[0, 1], [2, np.nan]])),
            r"`expected` holds nan in row 1, which no response can equal",
        ),
        ("a.npz", lambda path: saved(path, inputs=np.ones((2, 4), complex)), "complex128 is no datatype|does not fit"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(server_of, tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content(tmp_path / "whole.npz"))
    with pytest.raises(UserError, match=says) as caught:
        external_bank(choice_of(server_of(), file=str(path)))
    assert "\n" not in str(caught.value)


def test_an_npy_file_holds_inputs(server_of, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4), np.float32))
    assert external_bank(choice_of(server_of(), file=str(tmp_path / "a.npy"))).inputs.shape == (3, 4)


def test_the_value_that_the_model_cannot_take_is_named_wherever_it_is(server_of, tmp_path):
    inputs = np.zeros((3, 4), np.float32)
    inputs[2, 1] = 0.5
    np.savez(tmp_path / "a.npz", inputs=inputs)
    url = server_of(inputs=[tensor("in", [-1, 4], "UINT8")])
    with pytest.raises(UserError, match=r"0\.5 does not fit UINT8"):
        external_bank(choice_of(url, file=str(tmp_path / "a.npz")))
    inputs[2, 1] = np.nan
    np.savez(tmp_path / "a.npz", inputs=inputs)
    with pytest.raises(UserError, match="nan is no number in JSON"):
        external_bank(choice_of(server_of(), file=str(tmp_path / "a.npz")))
    assert np.isnan(
        external_bank(choice_of(server_of(), protocol="http-binary", file=str(tmp_path / "a.npz"))).inputs
    ).any()


def test_without_metadata_an_array_keeps_its_own_type(server_of, tmp_path):
    np.savez(tmp_path / "a.npz", inputs=np.array([[101, 16_777_217]]), expected=np.array([[101, 16_777_217]]))
    bank = external_bank(choice_of(server_of(), protocol="json:/x", file=str(tmp_path / "a.npz")))
    assert (bank.meta.datatype, bank.inputs.tolist()) == ("INT64", [[101, 16_777_217]])
    bank.save(tmp_path / "kept.npz")
    assert Bank.load(tmp_path / "kept.npz").expected.tolist() == [[101, 16_777_217]]


def test_a_model_without_a_batch_axis_takes_all_of_its_numbers(server_of):
    bank = external_bank(choice_of(server_of(inputs=[tensor("in", [16])], outputs=[tensor("out", [2])]), shape=(16,)))
    assert (bank.inputs.shape[1:], bank.meta.output_shape, bank.meta.batched) == ((16,), (2,), False)


def test_one_body_may_be_a_whole_file(server_of, tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{\n "a": 1}\n')
    assert external_bank(choice_of(server_of(), file=str(tmp_path / "a.json"))).inputs[0].tobytes() == b'{\n "a": 1}'


def test_an_only_array_holds_the_inputs_whatever_its_name(server_of, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((3, 4)), expected=np.ones((3, 2)))
    bank = external_bank(choice_of(server_of(), file=str(tmp_path / "a.npz"), check=True))
    assert (bank.inputs.shape, bank.expected.shape) == ((3, 4), (3, 2))


def test_texts_are_a_column_where_the_model_takes_columns(server_of, tmp_path):
    np.savez(tmp_path / "a.npz", inputs=np.array(["hello", "world"]))
    bank = external_bank(choice_of(server_of([tensor("in", [-1, 1], "BYTES")]), file=str(tmp_path / "a.npz")))
    assert bank.inputs.shape == (2, 1)


def test_a_model_that_names_no_inputs_takes_payloads_or_a_shape_and_its_first_output_counts(server_of, tmp_path):
    def reply(body):
        seen.append(json.loads(body)["inputs"][0])
        return 200, {"outputs": [{"name": "predict", "data": [3]}]}

    seen = []
    url = server_of([], [], reply)
    with pytest.raises(UserError, match=r"names no inputs or no outputs.*--bank FILE.*--shape"):
        external_bank(choice_of(url))
    np.savez(tmp_path / "a.npz", inputs=np.ones((1, 4)), expected=np.array([3]))
    for bank in (
        external_bank(choice_of(url, file=str(tmp_path / "a.npz"), check=True)),
        external_bank(choice_of(url, shape=(4,))),
    ):
        ask_once(url, "http-json", bank)
    assert [each["datatype"] for each in seen] == ["FP64", "FP32"]
    assert [each["shape"] for each in seen] == [[1, 4], [1, 4]]


def test_datatypes_may_be_written_small(server_of):
    assert external_bank(choice_of(server_of([tensor("in", [-1, 4], "fp32")]))).meta.datatype == "FP32"


def test_a_file_is_not_compared_with_the_reference_model_of_its_name(server_of):
    tensors = [tensor("input", [-1, 64])], [tensor("output", [-1, 10])]
    file = choice_of(server_of(*tensors, platform="onnx_file"), model="digits-mlp", check=True)
    assert not len(external_bank(file).expected)
    assert len(external_bank(choice_of(server_of(*tensors), model="digits-mlp", check=True)).expected)
