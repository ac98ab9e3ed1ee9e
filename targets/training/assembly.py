"""Applies the training knobs to a recipe's model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from harness.plan.knobs import Setting

MOMENTUM = 0.9


def assemble(model: keras.Model, setting: Setting) -> keras.Model:
    """Clone `model` with the dropout, activation and L2 of `setting`; knobs that are not set keep the model's values.

    Raises UserError where a knob of `setting` applies to no layer of the model.
    """
    import keras

    applied: set[str] = set()
    last = model.layers[-1]

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        for name, value in _changes(layer, setting, output=layer is last).items():
            applied.add(name)
            config[_FIELD[name]] = keras.regularizers.L2(value) if name == "l2" else value
        return type(layer).from_config(config)

    cloned = keras.models.clone_model(model, clone_function=clone)
    for name in _FIELD:
        if name in setting and name not in applied and not (name == "l2" and not setting["l2"]):
            raise UserError(f"{name}: {model.name.replace('_', '-')} has {_LACKS[name]}; leave {name} out")
    return cloned


_FIELD = {"dropout": "rate", "activation": "activation", "l2": "kernel_regularizer"}
_LACKS = {
    "dropout": "no dropout layer",
    "activation": "no hidden layer with an activation",
    "l2": "no layer with a kernel",
}


def _changes(layer: keras.Layer, setting: Setting, *, output: bool) -> dict[str, Any]:
    config = layer.get_config()
    changes: dict[str, Any] = {}
    if "dropout" in setting and "Dropout" in type(layer).__name__:
        changes["dropout"] = setting["dropout"]
    if "activation" in setting and not output and config.get("activation") not in (None, "linear"):
        changes["activation"] = setting["activation"]
    if setting.get("l2") and "kernel_regularizer" in config:
        changes["l2"] = setting["l2"]
    return changes


def with_noise(model: keras.Model, noise: float) -> keras.Model:
    """`model` with a first layer that adds Gaussian noise of standard deviation `noise` in training; 0 adds no layer.

    Raises UserError where the inputs are token numbers, to which noise cannot be added.
    """
    if not noise:
        return model
    import keras

    if "int" in model.inputs[0].dtype:
        name = model.name.replace("_", "-")
        raise UserError(f"input_noise: the inputs of {name} are token numbers; leave it out")
    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, model(keras.layers.GaussianNoise(noise)(inputs)))


def make_optimizer(name: str, learning_rate: float) -> keras.Optimizer:
    """Make the optimizer that the knob names."""
    import keras

    sgd: dict[str, Callable[[], keras.Optimizer]] = {
        "momentum": lambda: keras.optimizers.SGD(learning_rate, momentum=MOMENTUM),
        "nesterov": lambda: keras.optimizers.SGD(learning_rate, momentum=MOMENTUM, nesterov=True),
    }
    if name in sgd:
        return sgd[name]()
    return keras.optimizers.get({"class_name": name, "config": {"learning_rate": learning_rate}})
