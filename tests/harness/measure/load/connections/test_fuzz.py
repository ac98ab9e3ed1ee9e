"""A short run of the fuzzer, whose long one is `tests/benchmarks/fuzz_parsers.py`."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def fuzzer():
    path = Path(__file__).parents[5] / "tests/benchmarks/fuzz_parsers.py"
    spec = importlib.util.spec_from_file_location("fuzz_parsers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(4))
def test_damaged_answers_are_errors_and_nothing_worse(fuzzer, seed):
    fuzz = fuzzer.Fuzz(seed)
    for _ in range(1500):
        fuzz.case()
    assert min(fuzz.answers, fuzz.errors, fuzz.unfinished) > 100
