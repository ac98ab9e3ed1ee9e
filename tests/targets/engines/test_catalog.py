"""The catalog names every engine, what it needs and how to install it."""

from pathlib import Path

import pytest

from harness.errors import UserError
from targets.engines import EngineOptions
from targets.engines.catalog import CATALOG, EngineSpec, available, find_engine

ROOT = Path(__file__).parents[3]


def test_the_engines_this_project_tests_are_installed():
    assert {"concrete-function", "onnxruntime", "litert", "openvino"} <= set(available())


def test_an_engine_that_is_not_installed_says_how_to_get_it():
    spec = EngineSpec(name="warp", doc="", needs=("json", "no_such_module"), extra="warp", opener="x:y")
    assert spec.missing() == ("no_such_module",)
    with pytest.raises(UserError, match=r"engine=warp: no_such_module is not installed; pip install .*\[warp\]"):
        spec.open(Path("model.keras"), EngineOptions(input_shape=(64,)))


def test_an_engine_without_the_precision_says_which_it_has():
    with pytest.raises(UserError, match="precision=int8: engine=openvino supports float32, float16, bfloat16"):
        find_engine("openvino").open(Path("model.keras"), EngineOptions(input_shape=(64,), precision="int8"))


def test_an_unknown_engine_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'onnxruntime'"):
        find_engine("onnx-runtime")


def test_every_extra_of_the_catalog_can_be_installed():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {spec.extra for spec in CATALOG if spec.extra} <= set(extras)
