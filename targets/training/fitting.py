"""Fits a model epoch by epoch; each epoch is evaluated and on disk before the next begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import monotonic_ns
from harness.training.epochs import Epoch
from targets.training.assembly import assemble, make_optimizer, with_noise

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.models.recipe import Recipe
    from targets.training.devices import Devices
    from targets.training.split import FitExamples, TrainingSplit

EVALUATION_BATCH = 1024  # examples per call in evaluation


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model after the last epoch, and its loss and accuracy on the test examples."""

    model: keras.Model
    test_loss: float
    test_accuracy: float


class Fitting:
    """A compiled model and its data."""

    def __init__(self, recipe: Recipe, setting: Setting, devices: Devices, split: TrainingSplit) -> None:
        import keras

        self._setting = setting
        self._split = split
        self._classes = recipe.output_shape[0]
        self._loss = keras.losses.get(str(setting["loss"]))
        self._to_numpy = keras.ops.convert_to_numpy
        with devices.scope:
            self._core = assemble(recipe.build(), setting)
            self._model = with_noise(self._core, float(setting["input_noise"]))
            self._model.compile(
                loss=str(setting["loss"]),
                optimizer=make_optimizer(str(setting["optimizer"]), float(setting["learning_rate"])),
            )

    def run(self, on_epoch: Callable[[Epoch], None]) -> Fitted:
        """Fit all epochs, or until a loss is not finite; `on_epoch` gets each epoch as it ends."""
        import keras

        train, began_ns = self._split.train, 0

        def begin(number: int, logs: object = None) -> None:
            del number, logs
            nonlocal began_ns
            began_ns = monotonic_ns()

        def end(number: int, logs: object = None) -> None:
            del logs
            row = self._row(number + 1, began_ns, monotonic_ns())
            on_epoch(row)
            self._model.stop_training = not np.isfinite([row.train_loss, row.validation_loss]).all()

        self._model.fit(
            train.inputs,
            self._one_hot(train),
            batch_size=int(self._setting["train_batch_size"]),
            epochs=int(self._setting["epochs"]),
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)],
        )
        loss, accuracy = self._evaluate(self._split.test)
        return Fitted(self._core, loss, accuracy)

    def _row(self, number: int, begin_ns: int, fitted_ns: int) -> Epoch:
        train_loss, train_accuracy = self._evaluate(self._split.train)
        validation_loss, validation_accuracy = self._evaluate(self._split.validation)
        return Epoch(
            epoch=number,
            begin_ns=begin_ns,
            fitted_ns=fitted_ns,
            end_ns=monotonic_ns(),
            examples=len(self._split.train),
            learning_rate=float(self._model.optimizer.learning_rate.numpy()),
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
        )

    def _evaluate(self, examples: FitExamples) -> tuple[float, float]:
        """Loss and accuracy without dropout, noise and the L2 term.

        Calls the model directly: `keras.Model.evaluate` takes ten times as long and gives the same where L2 is 0.
        """
        losses, correct = [], []
        truth = self._one_hot(examples)
        for start in range(0, len(examples), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            outputs = self._core(examples.inputs[part], training=False)
            losses.append(self._to_numpy(self._loss(truth[part], outputs)))
            correct.append(self._to_numpy(outputs).argmax(axis=-1) == examples.labels[part])
        return float(np.concatenate(losses).mean()), float(np.concatenate(correct).mean())

    def _one_hot(self, examples: FitExamples) -> NDArray[np.float32]:
        return np.eye(self._classes, dtype=np.float32)[examples.labels]
