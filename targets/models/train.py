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

from harness.bank import Bank, BankMeta
from harness.clock import NS_PER_S, monotonic_ns
from harness.metrics import ModelCard
from targets.engines.quiet import import_tensorflow
from targets.models import find_recipe
from targets.models.digits import SOURCE, load_digits

if TYPE_CHECKING:
    import keras

    from harness.target import Progress
    from targets.models.digits import Digits
    from targets.models.recipe import Recipe


def train(recipe: Recipe, folder: Path, progress: Progress) -> ModelCard:
    """Fit `recipe` and write `model.keras` and `bank.npz` into `folder`; the card has held-out loss and accuracy."""
    stage = f"training {recipe.name}"
    progress(stage, 0, recipe.epochs)
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(recipe.seed)
    digits = load_digits()
    model = recipe.build()
    start_ns = monotonic_ns()
    loss, accuracy = _fit(model, recipe, digits, progress)
    seconds = (monotonic_ns() - start_ns) / NS_PER_S
    _without_optimizer(model, recipe).save(folder / "model.keras")
    _bank(model, recipe, digits).save(folder / "bank.npz")
    return ModelCard(
        name=recipe.name,
        parameters=int(model.count_params()),
        data=SOURCE,
        train_count=len(digits.train_labels),
        test_count=len(digits.test_labels),
        test_loss=loss,
        test_accuracy=accuracy,
        trained_seconds=round(seconds, 2),
        layers=tuple(_describe(layer) for layer in model.layers),
    )


def _fit(model: keras.Model, recipe: Recipe, digits: Digits, progress: Progress) -> tuple[float, float]:
    import keras

    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        metrics=["accuracy"],
    )
    tell = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _logs: progress(f"training {recipe.name}", epoch + 1, recipe.epochs)
    )
    classes = recipe.output_shape[0]
    model.fit(
        digits.train_images,
        keras.utils.to_categorical(digits.train_labels, classes),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=[tell],
    )
    test_classes = keras.utils.to_categorical(digits.test_labels, classes)
    loss, accuracy = model.evaluate(digits.test_images, test_classes, verbose=0)
    return float(loss), float(accuracy)


def _without_optimizer(model: keras.Model, recipe: Recipe) -> keras.Model:
    # Adam keeps two numbers per weight: the file would be three times as large.
    bare = recipe.build()
    bare.set_weights(model.get_weights())
    return bare


def _bank(model: keras.Model, recipe: Recipe, digits: Digits) -> Bank:
    meta = BankMeta(model=recipe.name, input_shape=recipe.input_shape, output_shape=recipe.output_shape)
    answers = model(digits.test_images, training=False).numpy()
    return Bank(meta, digits.test_images, digits.test_labels, answers)


def _describe(layer: keras.Layer) -> str:
    config = layer.get_config()
    size = next((config[key] for key in ("units", "filters", "rate", "target_shape") if key in config), None)
    words = [str(word) for word in (size, config.get("activation")) if word not in (None, "linear")]
    return f"{type(layer).__name__}({', '.join(words)})"


def _tell(stage: str, done: int, total: int) -> None:
    print(json.dumps([stage, done, total]), flush=True)


if __name__ == "__main__":
    _card = train(find_recipe(sys.argv[1]), Path(sys.argv[2]), _tell)
    (Path(sys.argv[2]) / "card.json").write_bytes(msgspec.json.encode(_card))
