from __future__ import annotations

import subprocess
import sys

import pytest

from harness.plan.knobs import Apply
from harness.plan.target_spec import RecipeTarget, known_targets
from targets import TARGETS

HEAVY = ("numpy", "tensorflow", "keras", "sklearn", "uvloop", "httptools", "orjson", "prometheus_client")


@pytest.mark.process
def test_importing_the_descriptions_imports_nothing_heavy() -> None:
    script = f"import sys, targets; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.process
def test_preparing_what_is_there_imports_no_deep_learning_library() -> None:
    script = """
import sys
from targets.preparation import prepare
prepare("digits-mlp", print)
prepared = prepare("digits-mlp", print)
assert prepared.path.is_file() and prepared.bank_path.is_file() and prepared.card.test_count == 360
print([name for name in ("tensorflow", "keras", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_harness_finds_every_target() -> None:
    assert set(TARGETS) <= set(known_targets())
    ours = {name for name, spec in TARGETS.items() if not isinstance(spec, RecipeTarget)}
    assert ours == {"inprocess", "threaded", "batched", "agent", "null", "fixed"}


@pytest.mark.parametrize("name", TARGETS)
def test_each_knobs_default_and_swept_values_are_legal(name: str) -> None:
    knobs = TARGETS[name].knobs
    assert knobs.complete({}) == knobs.defaults()
    for knob in knobs:
        for value in knob.swept:
            assert knob.check(value) == value
        assert knob.doc.endswith(".")


def test_the_batching_knobs_are_turned_without_a_restart() -> None:
    live = {knob.name for knob in TARGETS["batched"].knobs if knob.apply is Apply.LIVE}
    assert live == {"batch_size", "batch_wait_ms", "queue_limit", "batch_policy", "slo_ms"}
