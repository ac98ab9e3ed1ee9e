"""The trainer against Keras itself. Two processes for all tests: importing TensorFlow costs more than the fits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parents[3]

SCRIPT = """
import json, sys
import numpy as np
from targets.engines.quiet_import import import_tensorflow
import_tensorflow()
import keras
from harness.errors import UserError
from targets.models.catalog import find_recipe
from targets.training.assembly import assemble, make_optimizer, with_noise
from targets.training.devices import claim
from targets.training.fitting import Fitting
from targets.training.knobs import OPTIMIZER, TRAINING
from targets.training.split import split_of

devices = claim(int(sys.argv[1]), 0)
recipe = find_recipe("digits-mlp")
split = split_of(recipe, 0.2)

def fit(**changes):
    keras.utils.set_random_seed(5)
    defaults = {k.name: k.default for k in TRAINING if k.name not in ("dropout", "activation")}
    setting = {**defaults, **recipe.training, "epochs": 3, **changes}
    rows = []
    fitting = Fitting(recipe, setting, devices, split)
    fitted = fitting.run(rows.append)
    plain = None
    if len(devices.names) == 1:
        fitting._core.compile(loss=setting["loss"], metrics=["accuracy"])
        plain = fitting._core.evaluate(split.test.inputs, np.eye(10)[split.test.labels], verbose=0)
    last = {name: getattr(rows[-1], name) for name in rows[-1].__struct_fields__}
    return {"test": [fitted.test_loss, fitted.test_accuracy], "plain": plain, "last": last, "epochs": len(rows)}

def refused(function, *arguments):
    try:
        function(*arguments)
    except UserError as error:
        return str(error)

found = {"devices": devices.names, "fit": fit(dropout=0.0)}
if sys.argv[1] == "1":
    found["again"] = fit(dropout=0.0)
    found["diverged"] = fit(learning_rate=1e6, optimizer="sgd", activation="linear", dropout=0.0, epochs=20)
    found["noise"] = fit(input_noise=0.1, l2=0.01)
    turned = assemble(recipe.build(), {"dropout": 0.1, "activation": "tanh", "l2": 0.01})
    found["layers"] = [
        [type(layer).__name__, layer.get_config().get("rate"), layer.get_config().get("activation"),
         (layer.get_config().get("kernel_regularizer") or {}).get("config", {}).get("l2")]
        for layer in turned.layers
    ]
    found["optimizers"] = [type(make_optimizer(name, 0.01)).__name__ for name in OPTIMIZER.choices]
    bare = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")], name="bare_one")
    unfit = ({"dropout": 0.1}, {"activation": "tanh"}, {"l2": 0.0})
    found["refused"] = [refused(assemble, bare, setting) for setting in unfit]
    found["no split"] = refused(split_of, recipe, 0.001)
    sets = [split.train, split.validation, split.test]
    found["sizes"] = [len(part) for part in sets]
    rows = [{part.inputs[i].tobytes() for i in range(len(part))} for part in sets]
    found["shared"] = len(rows[0] & rows[2]) + len(rows[1] & rows[2]) + len(rows[0] & rows[1])
print(json.dumps(found))
"""


def run(devices):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(devices)], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def one():
    return run(1)


def test_loss_and_accuracy_are_those_of_keras(one):
    assert one["fit"]["test"] == pytest.approx(one["fit"]["plain"], rel=1e-5)
    assert one["noise"]["test"][1] == pytest.approx(one["noise"]["plain"][1], rel=1e-5)


def test_the_same_seed_gives_the_same_fit(one):
    assert one["again"]["test"] == one["fit"]["test"]


def test_it_learns(one):
    assert one["fit"]["last"]["train_accuracy"] > 0.5
    assert one["fit"]["last"]["examples"] == one["sizes"][0]


def test_a_fit_that_diverges_ends_with_the_epoch_that_showed_it(one):
    last = one["diverged"]["last"]
    assert one["diverged"]["epochs"] == last["epoch"] < 20
    assert not abs(last["train_loss"]) < float("inf")


def test_knobs_turn_every_layer_they_name_and_leave_the_last_activation(one):
    assert one["layers"] == [
        ["Dense", None, "tanh", pytest.approx(0.01)],
        ["Dropout", 0.1, None, None],
        ["Dense", None, "tanh", pytest.approx(0.01)],
        ["Dropout", 0.1, None, None],
        ["Dense", None, "softmax", pytest.approx(0.01)],
    ]


def test_every_optimizer_that_the_knob_names_exists(one):
    assert one["optimizers"] == [
        "Adam", "AdamW", "Nadam", "Adamax", "RMSprop", "Adagrad", "Lion", "SGD", "SGD", "SGD",
    ]  # fmt: skip


def test_a_knob_that_a_model_has_nothing_for_is_refused(one):
    dropout, activation, nothing = one["refused"]
    assert dropout == "dropout: bare-one has no dropout layer; leave dropout out"
    assert activation == "activation: bare-one has no hidden layer with an activation; leave activation out"
    assert nothing is None


def test_the_three_sets_are_apart(one):
    assert one["no split"] == "validation_share=0.001: leaves fewer examples than the 10 classes"
    assert one["sizes"] == [1149, 288, 360]
    assert one["shared"] == 0


def test_data_parallel_steps_are_those_of_one_device(one):
    """Without dropout, two halves of a batch add up to the gradient of the whole."""
    two = run(2)
    assert two["devices"] == ["CPU:0", "CPU:1"]
    assert two["fit"]["last"]["train_loss"] == pytest.approx(one["fit"]["last"]["train_loss"], rel=1e-3)
