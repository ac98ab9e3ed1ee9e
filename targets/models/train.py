"""Trains a recipe's model and writes the model, its card, and its offline predictions.

Runs as a separate process (`python -m targets.models.train NAME FOLDER`), because TensorFlow's thread counts cannot
be changed after it has computed, and because gevent may have patched the caller.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.record.model_card import ModelCard
from harness.wire.payload_bank import Bank
from targets.engines.quiet_import import import_tensorflow
from targets.models.catalog import find_recipe
from targets.models.maker_process import exit_code_of, report_progress
from targets.models.offline import evaluate, offline_predictions
from targets.models.preparation import READY

if TYPE_CHECKING:
    import keras

    from harness.plan.target_spec import Progress
    from targets.data.source import Examples
    from targets.models.recipe import Recipe


def train(recipe: Recipe, folder: Path, progress: Progress) -> ModelCard:
    """Fit `recipe` and write `model.keras` and its bank into `folder`. The card has held-out loss and accuracy."""
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
    outputs = offline_predictions(model, recipe.pipeline, examples.test)
    meta = recipe.pipeline.ready.meta(recipe.name, recipe.output_shape)
    Bank(meta, recipe.pipeline.prepare(examples.test), examples.test_labels, outputs).save(folder / READY)
    loss, accuracy = evaluate(outputs, examples.test_labels)
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
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _logs: progress(f"training {recipe.name}", epoch + 1, recipe.epochs)
    )
    pipeline = recipe.pipeline
    model.fit(
        pipeline.ready.stack(pipeline.prepare(examples.train)),
        keras.utils.to_categorical(examples.train_labels, recipe.output_shape[0]),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=[report],
    )


def _without_optimizer(model: keras.Model, recipe: Recipe) -> keras.Model:
    # Adam keeps two numbers per weight, which would make the file three times as large.
    bare = recipe.build()
    bare.set_weights(model.get_weights())
    return bare


def describe(layer: keras.Layer) -> str:
    """A short description of a layer, for example `Dense(64, relu)`."""
    config = layer.get_config()
    size = next(
        (config[key] for key in ("units", "filters", "rate", "target_shape", "output_dim") if key in config), None
    )
    words = [str(word) for word in (size, config.get("activation")) if word not in (None, "linear")]
    return f"{type(layer).__name__}({', '.join(words)})"


def main(name: str, folder: Path) -> None:
    """Train and write the card."""
    card = train(find_recipe(name), folder, report_progress)
    (folder / "card.json").write_bytes(msgspec.json.encode(card))


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(sys.argv[1], Path(sys.argv[2]))))
