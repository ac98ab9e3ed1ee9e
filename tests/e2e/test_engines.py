"""Every installed engine, in each of its precisions, answers as the plain Keras model did offline."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from targets.engines.catalog import available

ROOT = Path(__file__).parents[2]

# Engines of one backend share a process: importing TensorFlow costs more than all calls.
BACKENDS = {
    "tensorflow": [name for name in available() if name not in ("keras-torch", "keras-jax")],
    "torch": ["keras-torch"],
    "jax": ["keras-jax"],
}
ANSWERS = """
import json, sys
from harness.wire.payload_bank import Bank
from targets import TARGETS
from targets.engines.catalog import find_engine
from targets.loading import load_model
from targets.preparation import prepare

found = []
for model in ("digits-mlp", "digits-cnn"):
    prepared = prepare(model, lambda *_: None)
    plain = Bank.load(prepared.bank_path)
    for engine in sys.argv[1:]:
        for precision in find_engine(engine).precisions:
            setting = {"engine": engine, "precision": precision, "intra_op_threads": 1, "inter_op_threads": 1}
            setting = TARGETS["inprocess"].knobs.complete(setting)
            try:
                loaded = load_model(prepared, setting, lambda *_: None)
            except Exception as error:
                found.append({"engine": engine, "precision": precision, "error": f"{type(error).__name__}: {error}"})
                continue
            bank = Bank.load(loaded.prepared.bank_path)
            answers = {n: loaded.engine.predict(bank.inputs[:n].copy()) for n in (1, 3, 64, 100)}
            card = loaded.prepared.card
            found.append({
                "model": model,
                "engine": card.engine,
                "precision": card.precision,
                "dtypes": sorted({str(answer.dtype) for answer in answers.values()}),
                "off_own": max(float(abs(answers[n] - bank.expected[:n]).max()) for n in answers),
                "tolerance": bank.meta.tolerance,
                "off_plain": max(float(abs(answers[n] - plain.expected[:n]).max()) for n in answers),
                "served_accuracy": card.served_accuracy,
                "test_accuracy": card.test_accuracy,
            })
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_engines_answer_as_the_model_did_offline(backend):
    names = [name for name in BACKENDS[backend] if name in available()]
    if not names:
        pytest.skip(f"{backend} is an extra and not installed here")
    argv = [sys.executable, "-c", ANSWERS, *names]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    failed = [one for one in found if "error" in one and not _processor_lacks(one)]
    assert not failed
    answered = [one for one in found if "error" not in one]
    assert {one["engine"] for one in answered} == set(names)
    assert [one for one in answered if one["dtypes"] != ["float32"]] == []
    assert [one for one in answered if one["off_own"] > one["tolerance"]] == []
    assert [one for one in answered if one["precision"] == "float32" and one["off_plain"] > 1e-3] == []
    # Fewer bits are really fewer: answers differ from float32's, and their classes hardly.
    low = [one for one in answered if one["precision"] != "float32"]
    assert [one for one in low if not one["off_plain"] > 1e-5] == []
    assert [one for one in answered if abs(one["served_accuracy"] - one["test_accuracy"]) > 0.02] == []


def _processor_lacks(one):
    return one["engine"] == "openvino" and "on this processor OpenVINO computes in" in one["error"]
