"""Cutting a Keras model: together the stages answer as the whole does, or the cut is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]

# In a process of its own: importing TensorFlow costs more than all that is tested here.
SCRIPT = """
import tempfile
from pathlib import Path
from targets.engines.quiet_import import import_tensorflow
import_tensorflow()
import keras, numpy as np
from keras import layers as L
from harness.errors import UserError
from targets.pipeline.cut import Graph, cut, stage_path

def refusal(model, inputs, stages):
    try:
        cut(model, inputs, stages, Path(tempfile.mkdtemp()))
    except UserError as error:
        return str(error)
    return "not refused"

keras.utils.set_random_seed(1)
inputs = np.random.default_rng(1).random((70, 8), dtype=np.float32)

# A branch around two layers: it can be cut before it and after it, not inside.
start = keras.Input((8,))
first = L.Dense(16, activation="relu")(start)
inside = L.Dense(16)(L.Dense(16, activation="relu")(first))
joined = L.Add()([first, inside])
branched = keras.Model(start, L.Dense(4)(joined))
folder = Path(tempfile.mkdtemp())
branched.save(folder / "whole.keras")
branched = keras.models.load_model(folder / "whole.keras")
assert Graph.of(branched).bounds() == [0, 1, 4, 5]
made = cut(branched, inputs, 3, folder)
assert made.shapes == ((8,), (16,), (16,), (4,)), made.shapes
assert [len(layers) for layers in made.layers] == [1, 3, 1], made.layers
answers = inputs
for stage in range(3):
    answers = keras.models.load_model(stage_path(folder, stage))(answers)
np.testing.assert_allclose(answers, branched(inputs), atol=1e-6)
assert "at most 3" in refusal(branched, inputs, 4)

# A mask made by the first layer steers the last: cut apart they are another model.
tokens = (inputs * 3).astype("int32").astype("float32")
embed = L.Embedding(3, 5, mask_zero=True)
masked = keras.Sequential([keras.Input((8,)), embed, L.GlobalAveragePooling1D(), L.Dense(4)])
assert "cutting changes the outputs" in refusal(masked, tokens, 3)

# Tokens are whole numbers; from the embedding on everything is float32.
numbers = keras.Input((8,), dtype="int32")
text = keras.Model(numbers, L.Dense(4)(L.GlobalAveragePooling1D()(L.Embedding(3, 5)(numbers))))
made = cut(text, tokens.astype("int32"), 2, folder)
answers = keras.models.load_model(stage_path(folder, 0))(tokens.astype("int32"))
np.testing.assert_allclose(keras.models.load_model(stage_path(folder, 1))(answers), text(tokens), atol=1e-6)

two = keras.Model([start, other := keras.Input((8,))], L.Add()([start, other]))
assert "several inputs" in refusal(two, inputs, 2)
print("all right")
"""


@pytest.mark.slow
def test_stages_answer_together_as_the_whole_model_does():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "all right\n", done.stderr
