"""A trained model under other steps of preprocessing: its answers, its held-out accuracy, and the model from raw items.

    python -m targets.models.variant NAME MODEL FOLDER STEPS

STEPS is JSON: {"clean": true, "normalise": true, "tta": 1}. A process of its own, like training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.wire.payload_bank import Bank, ClientWork
from targets.engines.quiet import import_tensorflow
from targets.models.catalog import find_recipe
from targets.models.graph import with_preprocessing
from targets.models.offline import evaluate, offline_answers

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from targets.models.recipe import Recipe

RAW, CLIENT, GRAPH_MODEL, FIGURES = "raw.npz", "client.npz", "graph.keras", "figures.json"
CLIENT_TARGET = "batched"  # any target that knows the reference models


def make(recipe: Recipe, model_file: Path, folder: Path, steps: Setting) -> None:
    """Write banks of raw items, for servers and for clients that prepare them, the graph, and loss and accuracy."""
    pipeline = recipe.pipeline.choose(steps)
    examples = recipe.data.load()
    import_tensorflow()
    import keras

    model = keras.models.load_model(model_file, compile=False)
    with_preprocessing(model, pipeline).save(folder / GRAPH_MODEL)
    answers = offline_answers(model, pipeline, examples.test)
    raw = pipeline.raw.meta(recipe.name, recipe.output_shape)
    ready = pipeline.ready.meta(recipe.name, recipe.output_shape)
    client = msgspec.structs.replace(ready, client=ClientWork(target=CLIENT_TARGET, setting=steps))
    for meta, name in ((raw, RAW), (client, CLIENT)):
        Bank(meta, examples.test, examples.test_labels, answers).save(folder / name)
    loss, accuracy = evaluate(answers, examples.test_labels)
    (folder / FIGURES).write_text(json.dumps({"test_loss": loss, "test_accuracy": accuracy}))


def main(name: str, model_file: Path, folder: Path, steps: Setting) -> int:
    """`make`; a failure that the user can mend is one line and exit code 2."""
    try:
        make(find_recipe(name), model_file, folder, steps)
    except UserError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])))
