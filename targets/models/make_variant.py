"""Evaluates a trained model under other preprocessing steps: payload banks, held-out accuracy, and the raw-item graph.

    python -m targets.models.make_variant NAME MODEL FOLDER STEPS

STEPS is JSON: {"clean": true, "normalise": true, "tta": 1}. Runs as a separate process, like training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.wire.payload_bank import Bank, ClientWork
from targets.engines.quiet_import import import_tensorflow
from targets.models.catalog import find_recipe
from targets.models.maker_process import exit_code_of
from targets.models.offline import evaluate, offline_predictions
from targets.models.preprocessing_graph import with_preprocessing

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from targets.models.recipe import Recipe

RAW, CLIENT, GRAPH_MODEL, FIGURES = "raw.npz", "client.npz", "graph.keras", "figures.json"
CLIENT_TARGET = "batched"  # any target that knows the reference models


def make(recipe: Recipe, model_file: Path, folder: Path, steps: Setting) -> None:
    """Write banks of raw items (for a server or a client that preprocesses), the graph, and loss and accuracy."""
    pipeline = recipe.pipeline.choose(steps)
    examples = recipe.data.load()
    import_tensorflow()
    import keras

    model = keras.models.load_model(model_file, compile=False)
    with_preprocessing(model, pipeline).save(folder / GRAPH_MODEL)
    outputs = offline_predictions(model, pipeline, examples.test)
    raw = pipeline.raw.meta(recipe.name, recipe.output_shape)
    ready = pipeline.ready.meta(recipe.name, recipe.output_shape)
    client = msgspec.structs.replace(ready, client=ClientWork(target=CLIENT_TARGET, setting=steps))
    for meta, name in ((raw, RAW), (client, CLIENT)):
        Bank(meta, examples.test, examples.test_labels, outputs).save(folder / name)
    loss, accuracy = evaluate(outputs, examples.test_labels)
    (folder / FIGURES).write_text(json.dumps({"test_loss": loss, "test_accuracy": accuracy}))


if __name__ == "__main__":
    _name, _model_file, _folder, _steps = sys.argv[1:]
    sys.exit(exit_code_of(lambda: make(find_recipe(_name), Path(_model_file), Path(_folder), json.loads(_steps))))
