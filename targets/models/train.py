"""Training: from a recipe to a fitted model, its card, and its own offline answers.

It runs in a process of its own (`python -m targets.models.train NAME FOLDER`), because TensorFlow's thread
counts can't be set any more once it has trained, and because the caller may be patched by gevent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError
from harness.judge.metrics import ModelCard
from harness.wire.payload_bank import Bank
from targets.engines.quiet import import_tensorflow
from targets.models.catalog import find_recipe
from targets.models.offline import evaluate, offline_answers
from targets.models.preparation import READY

if TYPE_CHECKING:
    import keras

    from harness.plan.target_spec import Progress
    from targets.data.source import Examples
    from targets.models.recipe import Recipe


def train(recipe: Recipe, folder: Path, progress: Progress) -> ModelCard:
    """Fit `recipe` and write `model.keras` and its banks into `folder`; the card has held-out loss and accuracy."""
    stage = f"training {recipe.name}"
    progress(stage, 0, recipe.epochs)
    examples = recipe.data.load()
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(recipe.seed)
    model = recipe.build()
    start_ns = monotonic_ns()
    _fit(model, recipe, examples, progress)
    seconds = (monotonic_ns() - start_ns) / NS_PER_S
    _without_optimizer(model, recipe).save(folder / "model.keras")
    answers = offline_answers(model, recipe.pipeline, examples.test)
    meta = recipe.pipeline.ready.meta(recipe.name, recipe.output_shape)
    Bank(meta, recipe.pipeline.prepare(examples.test), examples.test_labels, answers).save(folder / READY)
    loss, accuracy = evaluate(answers, examples.test_labels)
    return ModelCard(
        name=recipe.name,
        parameters=int(model.count_params()),
        data=recipe.data.doc,
        train_count=len(examples.train_labels),
        test_count=len(examples.test_labels),
        test_loss=loss,
        test_accuracy=accuracy,
        trained_seconds=round(seconds, 2),
        layers=tuple(describe(layer) for layer in model.layers),
    )


def _fit(model: keras.Model, recipe: Recipe, examples: Examples, progress: Progress) -> None:
    import keras

    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        metrics=["accuracy"],
    )
    tell = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _logs: progress(f"training {recipe.name}", epoch + 1, recipe.epochs)
    )
    pipeline = recipe.pipeline
    model.fit(
        pipeline.ready.stack(pipeline.prepare(examples.train)),
        keras.utils.to_categorical(examples.train_labels, recipe.output_shape[0]),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=[tell],
    )


def _without_optimizer(model: keras.Model, recipe: Recipe) -> keras.Model:
    # Adam keeps two numbers per weight: the file would be three times as large.
    bare = recipe.build()
    bare.set_weights(model.get_weights())
    return bare


def describe(layer: keras.Layer) -> str:
    """A layer in a few words: `Dense(64, relu)`."""
    config = layer.get_config()
    size = next(
        (config[key] for key in ("units", "filters", "rate", "target_shape", "output_dim") if key in config), None
    )
    words = [str(word) for word in (size, config.get("activation")) if word not in (None, "linear")]
    return f"{type(layer).__name__}({', '.join(words)})"


def _tell(stage: str, done: int, total: int) -> None:
    print(json.dumps([stage, done, total]), flush=True)


def main(name: str, folder: Path) -> int:
    """Train, and write the card; a failure that the user can mend is one line and exit code 2."""
    try:
        card = train(find_recipe(name), folder, _tell)
    except UserError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return int(error.exit_code)
    (folder / "card.json").write_bytes(msgspec.json.encode(card))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
