"""Every installed engine gives the answers that the plain Keras model gave offline; each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UserError
from targets.engines import EngineOptions
from targets.engines.catalog import CATALOG, EngineSpec, available, find_engine

ROOT = Path(__file__).parents[3]

ANSWER = """
import json, sys
from targets.models import prepare
from harness.bank import Bank
from targets.engines import EngineOptions
from targets.engines.catalog import find_engine

prepared = prepare(sys.argv[2], lambda *_: None)
bank = Bank.load(prepared.bank_path)
options = EngineOptions(input_shape=bank.meta.input_shape, intra_op_threads=1, inter_op_threads=1)
engine = find_engine(sys.argv[1]).open(prepared.path, options)
worst = max(float(abs(engine.predict(bank.inputs[:n].copy()) - bank.expected[:n]).max()) for n in (1, 3, 64, 100))
print(json.dumps({"worst": worst, "tolerance": bank.meta.tolerance}))
"""


@pytest.mark.e2e
@pytest.mark.parametrize("model", ["digits-mlp", "digits-cnn"])
@pytest.mark.parametrize("name", available())
def test_an_engine_answers_as_the_model_did_offline(name, model):
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, name, model], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["worst"] <= found["tolerance"]


def test_the_engines_this_project_tests_are_installed():
    assert {"tf-function", "onnxruntime", "litert", "openvino"} <= set(available())


def test_an_engine_that_is_not_installed_says_how_to_get_it():
    spec = EngineSpec(name="warp", doc="", needs=("json", "no_such_module"), extra="warp", opener="x:y")
    assert spec.missing() == ("no_such_module",)
    with pytest.raises(UserError, match=r"engine=warp: no_such_module is not installed; pip install .*\[warp\]"):
        spec.open(Path("model.keras"), EngineOptions(input_shape=(64,)))


def test_an_unknown_engine_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'onnxruntime'"):
        find_engine("onnx-runtime")


def test_every_extra_of_the_catalog_can_be_installed():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {spec.extra for spec in CATALOG if spec.extra} <= set(extras)
