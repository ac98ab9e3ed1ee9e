"""`:explain` on real servers, against integrated gradients and occlusion worked out in float64 NumPy."""

import concurrent.futures
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from served_target import Served

from harness.wire.payload_bank import Bank

STEPS = 32
TFS = "/v1/models/digits-mlp:explain"
V2 = "/v2/models/digits-mlp/explain"
PREDICT = "/v1/models/digits-mlp:predict"


@pytest.fixture(scope="module")
def gradients():
    served = Served("batched", explain_method="integrated-gradients", explain_steps=STEPS, batch_size=64)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def occluding():
    served = Served("threaded", explain_method="occlusion", explain_steps=64)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def batched():
    served = Served("batched")
    yield served
    served.stop()


class Mlp:
    """The worked example from its weights alone: two relu layers and a softmax, forwards and backwards."""

    def __init__(self, file):
        with zipfile.ZipFile(file) as archive, archive.open("model.weights.h5") as stream, h5py.File(stream) as weights:
            layers = [weights["layers"][name]["vars"] for name in ("dense", "dense_1", "dense_2")]
            self.layers = [(np.array(each["0"], np.float64), np.array(each["1"], np.float64)) for each in layers]

    def outputs(self, inputs):
        return self._forward(inputs)[-1]

    def slopes(self, inputs, chosen):
        """d softmax_c / d inputs, by the chain rule."""
        first, second, softmax = self._forward(inputs)
        one = np.zeros_like(softmax)
        one[np.arange(len(inputs)), chosen] = 1
        of_class = softmax[np.arange(len(inputs)), chosen][:, None]
        back = of_class * (one - softmax)
        for (weights, _), below in zip(self.layers[::-1], (second, first, None), strict=True):
            back = back @ weights.T
            if below is not None:
                back = back * (below > 0)
        return back

    def _forward(self, inputs):
        first = np.maximum(inputs @ self.layers[0][0] + self.layers[0][1], 0)
        second = np.maximum(first @ self.layers[1][0] + self.layers[1][1], 0)
        logits = second @ self.layers[2][0] + self.layers[2][1]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return first, second, raised / raised.sum(axis=1, keepdims=True)


def model_of(served):
    return Mlp(Path(served.ready["bank"]).parent / "model.keras")


def instances(rows):
    return json.dumps({"instances": rows.tolist()}).encode()


def explained(served, rows):
    status, answer, _ = served.ask("POST", TFS, instances(rows))
    assert status == 200, answer
    return np.array(answer["explanations"])


def test_integrated_gradients_are_those_of_the_formula(gradients):
    rows = gradients.bank.inputs[:4]
    model = model_of(gradients)
    chosen = model.outputs(rows.astype(np.float64)).argmax(axis=1)
    slopes = [model.slopes(rows * (step + 0.5) / STEPS, chosen) for step in range(STEPS)]
    np.testing.assert_allclose(explained(gradients, rows), rows * np.mean(slopes, axis=0), atol=2e-4)


def test_attributions_sum_to_what_the_input_added_to_the_output(gradients):
    rows = gradients.bank.inputs[:30]
    sums = np.concatenate([explained(gradients, rows[first : first + 2]).sum(axis=1) for first in range(0, 30, 2)])
    _, predicted, _ = gradients.ask("POST", PREDICT, instances(np.concatenate([rows, 0 * rows[:1]])))
    outputs = np.array(predicted["predictions"])
    chosen = outputs[:-1].argmax(axis=1)
    added = outputs[np.arange(30), chosen] - outputs[-1, chosen]
    # The midpoint rule with 32 steps misses the integral by a few thousandths where a softmax turns steeply.
    assert np.abs(sums - added).max() < 0.03
    assert np.corrcoef(sums, added)[0, 1] > 0.98


def test_occlusion_is_what_the_class_loses(occluding):
    rows = occluding.bank.inputs[:3]
    model = model_of(occluding)
    whole = model.outputs(rows.astype(np.float64))
    chosen = whole.argmax(axis=1)
    expected = np.zeros(rows.shape)
    for pixel in range(64):
        hidden = rows.astype(np.float64)
        hidden[:, pixel] = 0
        expected[:, pixel] = (whole - model.outputs(hidden))[range(3), chosen]
    np.testing.assert_allclose(explained(occluding, rows), expected, atol=1e-5)


@pytest.mark.parametrize("server", ["gradients", "occluding"])
def test_the_bank_of_explanations_is_what_the_server_answers(server, request):
    served = request.getfixturevalue(server)
    bank = Bank.load(Path(served.ready["class_banks"]["explain"]))
    assert (bank.meta.verb, bank.meta.output_name, bank.meta.output_shape) == ("explain", "attributions", (64,))
    assert np.abs(bank.expected).max() > 20 * bank.meta.tolerance
    np.testing.assert_allclose(explained(served, bank.inputs[:2]), bank.expected[:2], atol=bank.meta.tolerance)


def test_v2_and_tfs_say_the_same(gradients):
    rows = gradients.bank.inputs[:2]
    tensor = {"name": "input", "shape": [2, 64], "datatype": "FP32", "data": rows.ravel().tolist()}
    status, answer, _ = gradients.ask("POST", V2, json.dumps({"inputs": [tensor]}).encode())
    assert status == 200
    (output,) = answer["outputs"]
    assert (output["name"], output["shape"]) == ("attributions", [2, 64])
    np.testing.assert_allclose(np.reshape(output["data"], (2, 64)), explained(gradients, rows), atol=1e-5)


def test_explanations_and_predictions_of_one_batch_get_their_own_answers(gradients):
    bank = gradients.bank
    right = explained(gradients, bank.inputs[:1])

    def ask(number):
        if number % 3:
            _, answer, _ = gradients.ask("POST", PREDICT, instances(bank.inputs[number : number + 1]))
            return np.allclose(answer["predictions"], bank.expected[number], atol=bank.meta.tolerance)
        return np.allclose(explained(gradients, bank.inputs[:1]), right, atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert all(pool.map(ask, range(96)))


def test_an_explanation_takes_as_many_rows_of_a_batch_as_it_has_steps(gradients):
    _, _, headers = gradients.ask("POST", TFS, instances(gradients.bank.inputs[:1]))
    assert f'"n={STEPS}"' in headers["server-timing"]


@pytest.mark.parametrize("path", [TFS, V2])
def test_a_server_that_does_not_explain_says_how_it_would(batched, path):
    status, answer, _ = batched.ask("POST", path, b"{}")
    assert status == 404
    assert "explain_method=integrated-gradients" in answer["error"]


def test_bad_input_is_refused_as_it_is_for_predictions(gradients):
    status, answer, _ = gradients.ask("POST", TFS, instances(np.zeros((1, 3))))
    assert status == 400
    assert "64" in answer["error"]
