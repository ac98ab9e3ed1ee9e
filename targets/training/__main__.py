"""`python -m targets.training` runs one fit. The harness starts such a process for every trial.

The process ends when its parent ends.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.record.model_card import ModelCard
from harness.system.control_channel import ControlChannel
from harness.training.epochs import EpochWriter
from harness.training.fit_result import Fit
from targets.engines.quiet_import import import_tensorflow
from targets.models.catalog import find_recipe
from targets.training.devices import claim
from targets.training.fitting import Fitting
from targets.training.knobs import TRAINING
from targets.training.split import split_of

if TYPE_CHECKING:
    import keras

    from harness.plan.knobs import Setting
    from harness.training.epochs import Epoch
    from targets.models.recipe import Recipe
    from targets.training.fitting import Fitted
    from targets.training.split import FitExamples, TrainingSplit

USAGE = 2


def main() -> int:
    """Fit and return an exit code: 0 after the last epoch, 2 after a user error."""
    options = _options()
    control = ControlChannel.inherited(options.control_fd)
    control.watch(lambda message: os._exit(1) if message.get("stop") else None, lambda: os._exit(1))
    try:
        _fit(options, control)
    except UserError as error:
        control.send({"event": "error", "message": str(error)})
        return USAGE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m targets.training", description=__doc__)
    parser.add_argument("--model", required=True, help="model to train")
    parser.add_argument("--knobs", type=json.loads, default={}, help='JSON object, for example {"dropout": 0.2}')
    parser.add_argument("--seed", type=int, default=1, help="seed of weights, order of examples, dropout and noise")
    parser.add_argument("--out", type=Path, required=True, help="folder for epochs.arrow and fit.json")
    parser.add_argument("--control-fd", type=int, required=True, help="descriptor of the parent's control channel")
    return parser.parse_args()


def _fit(options: argparse.Namespace, control: ControlChannel) -> None:
    recipe = find_recipe(options.model)
    setting: Setting = {**_defaults_of(recipe), **options.knobs}
    _refuse_small_batches(setting)
    control.send({"event": "progress", "stage": "starting the trainer", "done": 0, "total": 0})
    import_tensorflow()
    import keras

    devices = claim(int(setting["train_devices"]), int(setting["train_threads"]))
    keras.utils.set_random_seed(options.seed)
    split = split_of(recipe, float(setting["validation_share"]))
    fitting = Fitting(recipe, setting, devices, split)
    rows: list[Epoch] = []
    with EpochWriter(options.out / "epochs.arrow") as writer:

        def keep(row: Epoch) -> None:
            rows.append(row)
            writer.add(row)
            control.send({"event": "epoch", "row": json.loads(msgspec.json.encode(row))})

        fitted = fitting.run(keep)
    fit = Fit(
        setting=setting,
        seed=options.seed,
        model=_card(recipe, fitted, split, rows),
        validation_count=len(split.validation),
        majority_share=float(np.bincount(split.test.labels).max() / len(split.test)),
        devices=devices.names,
    )
    _keep(fitted.model, split.test, options.out / recipe.name, ragged=recipe.pipeline.ready.ragged)
    (options.out / "fit.json").write_bytes(msgspec.json.encode(fit))


def _keep(model: keras.Model, test: FitExamples, path: Path, *, ragged: bool) -> None:
    """Write the model to be served (`--model PATH.keras`), and beside it the test examples as its payloads."""
    model.save(path.with_suffix(".keras"))
    if not ragged:
        np.savez(path.with_suffix(".npz"), inputs=test.inputs, labels=test.labels)


def _refuse_small_batches(setting: Setting) -> None:
    if int(setting["train_devices"]) > int(setting["train_batch_size"]):
        raise UserError(
            f"train_devices={setting['train_devices']}: a batch of train_batch_size={setting['train_batch_size']} "
            "has fewer examples than devices; use larger batches"
        )


def _defaults_of(recipe: Recipe) -> Setting:
    """The default of every knob except those of the model's layers, overridden by the recipe's values."""
    layers = ("dropout", "activation")
    return {**{knob.name: knob.default for knob in TRAINING if knob.name not in layers}, **recipe.training}


def _card(recipe: Recipe, fitted: Fitted, split: TrainingSplit, rows: list[Epoch]) -> ModelCard:
    from targets.models.train import describe

    finite = bool(np.isfinite(fitted.test_loss))
    return ModelCard(
        name=recipe.name,
        parameters=int(fitted.model.count_params()),
        data=recipe.data.doc,
        train_count=len(split.train),
        test_count=len(split.test),
        test_loss=fitted.test_loss if finite else None,
        test_accuracy=fitted.test_accuracy if finite else None,
        trained_seconds=round(sum(row.fitted_ns - row.begin_ns for row in rows) / NS_PER_S, 2),
        layers=tuple(describe(layer) for layer in fitted.model.layers),
    )


if __name__ == "__main__":
    raise SystemExit(main())
