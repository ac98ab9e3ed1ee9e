"""An engine and a model are added as CONTRIBUTING says: one new file and one entry in a registry for each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import targets
from harness.system.control_channel import ControlChannel
from harness.wire.payload_bank import Bank

pytestmark = pytest.mark.e2e

RECIPE = """
from targets.data.digits import DIGITS
from targets.models.recipe import Recipe
from targets.preprocessing.image import DIGITS_PIPELINE


def build():
    import keras

    softmax = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input((64,)), softmax], name="digits_linear")


RECIPE = Recipe(name="digits-linear", doc="logistic regression", field="image", data=DIGITS, pipeline=DIGITS_PIPELINE,
                build=build, epochs=20, batch_size=32)
"""
ENGINE = """
import numpy as np

from targets.engines.exports import load_keras


def open_engine(path, options):
    return NumpyEngine(*load_keras(path).get_weights())


class NumpyEngine:
    def __init__(self, weights, bias):
        self.weights, self.bias = weights, bias

    def predict(self, inputs):
        raised = np.exp(inputs @ self.weights + self.bias)
        return raised / raised.sum(axis=1, keepdims=True)
"""
ENGINE_ENTRY = """CATALOG = (
    EngineSpec(name="numpy-linear", doc="", needs=(), opener="numpy_linear:open_engine", precisions=("float32",)),"""
ENTRIES = [  # (registry, text, its replacement)
    ("models/catalog.py", "    digits_mlp,\n", "    digits_linear,\n    digits_mlp,\n"),
    ("models/catalog.py", "digits_mlp.RECIPE,", "digits_mlp.RECIPE, digits_linear.RECIPE,"),
    ("engines/catalog.py", "CATALOG = (", ENGINE_ENTRY),
]


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A folder with a copy of `targets` that has one engine and one model more."""
    copy = tmp_path / "targets"
    shutil.copytree(Path(targets.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models/recipes/digits_linear.py").write_text(RECIPE)
    (copy / "engines/numpy_linear.py").write_text(ENGINE)
    for registry, old, new in ENTRIES:
        text = (copy / registry).read_text()
        assert text.count(old) == 1
        (copy / registry).write_text(text.replace(old, new))
    return tmp_path


def test_a_new_engine_serves_a_new_model(extended: Path) -> None:
    control, theirs = ControlChannel.pair()
    knobs = json.dumps({"engine": "numpy-linear"})
    argv = [sys.executable, "-m", "targets", "batched", "--model", "digits-linear", "--knobs", knobs]
    argv += ["--control-fd", str(theirs.fileno())]
    search = os.pathsep.join([str(extended), str(Path(targets.__file__).parents[1])])
    env = {**os.environ, "PYTHONPATH": search, "XDG_CACHE_HOME": str(extended / "cache")}
    with theirs:
        process = subprocess.Popen(argv, cwd=extended, env=env, pass_fds=(theirs.fileno(),), stdout=subprocess.DEVNULL)
    try:
        while (ready := control.receive(100)) and ready["event"] == "progress":
            pass
        assert ready is not None
        assert ready["event"] == "ready", ready
        assert ready["model"]["engine"] == "numpy-linear"
        assert ready["model"]["served_accuracy"] == ready["model"]["test_accuracy"] > 0.8
        bank = Bank.load(Path(ready["bank"]))
        body = json.dumps({"instances": [bank.inputs[0].tolist()]}).encode()
        url = f"{ready['url']}/v1/models/digits-linear:predict"
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=20) as response:
            predicted = json.load(response)["predictions"]
        assert np.allclose(predicted, bank.expected[:1], atol=1e-5)
    finally:
        process.kill()
        control.close()
        process.wait()
