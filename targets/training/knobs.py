"""The knobs of training. Importing this imports nothing heavy.

The defaults are those of `digits-mlp`; a recipe with other values keeps them until a knob is set.
"""

from __future__ import annotations

from functools import partial

from harness.plan.knobs import Knob, KnobSet, Owner

_training = partial(Knob, owner=Owner.TRAINING)

LEARNING_RATE = _training(
    name="learning_rate",
    doc="Step size of the optimizer.",
    default=0.001,
    swept=(0.0001, 0.001, 0.01, 0.1),
    minimum=1e-9,
    maximum=1e6,
)
DROPOUT = _training(
    name="dropout",
    doc="Share of the inputs that each dropout layer drops in training; not set: each layer's own value.",
    default=0.5,
    swept=(0.0, 0.25, 0.5, 0.75),
    minimum=0,
    maximum=0.99,
)
L2 = _training(
    name="l2",
    doc="Weight of the squared kernels in the loss (L2 regularisation).",
    default=0.0,
    swept=(0.0, 0.0001, 0.001, 0.01),
    minimum=0,
    maximum=1e3,
)
TRAIN_BATCH_SIZE = _training(
    name="train_batch_size",
    doc="Examples per step of the optimizer, summed over all devices.",
    default=32,
    swept=(8, 32, 128, 512),
    unit="examples",
    minimum=1,
    maximum=65_536,
)
EPOCHS = _training(
    name="epochs",
    doc="Passes over the training examples.",
    default=50,
    swept=(5, 20, 50, 100),
    unit="passes",
    minimum=1,
    maximum=10_000,
)
LOSS = _training(
    name="loss",
    doc="Loss that the optimizer minimises: cross-entropy, mean squared error (mse), mean absolute error (mae), ...",
    default="categorical_crossentropy",
    swept=("categorical_crossentropy", "mse", "categorical_hinge"),
    choices=(
        "categorical_crossentropy",
        "binary_crossentropy",
        "categorical_focal_crossentropy",
        "kl_divergence",
        "categorical_hinge",
        "mse",
        "mae",
    ),
)
ACTIVATION = _training(
    name="activation",
    doc="Activation of the hidden layers; the last layer keeps its own.",
    default="relu",
    swept=("relu", "tanh", "sigmoid", "gelu"),
    choices=("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "linear"),
)
OPTIMIZER = _training(
    name="optimizer",
    doc="Optimizer; momentum and nesterov are sgd with a momentum of 0.9.",
    default="adam",
    swept=("adam", "sgd", "momentum", "rmsprop"),
    choices=("adam", "adamw", "nadam", "adamax", "rmsprop", "adagrad", "lion", "sgd", "momentum", "nesterov"),
)
INPUT_NOISE = _training(
    name="input_noise",
    doc="Augmentation: standard deviation of the Gaussian noise added to the inputs in training.",
    default=0.0,
    swept=(0.0, 0.1, 0.3),
    minimum=0,
    maximum=100,
)
VALIDATION_SHARE = _training(
    name="validation_share",
    doc="Share of the training examples used for validation after every epoch; the split is always the same.",
    default=0.2,
    swept=(0.1, 0.2, 0.4),
    minimum=0.01,
    maximum=0.9,
)
TRAIN_DEVICES = _training(
    name="train_devices",
    doc="Devices for data parallelism: GPUs, or where there are too few, equal parts of the CPU. Each computes the "
    "gradients of a part of every batch; the gradients are summed.",
    default=1,
    swept=(1, 2),
    unit="devices",
    minimum=1,
    maximum=64,
)
TRAIN_THREADS = _training(
    name="train_threads",
    doc="Threads inside one operation in training; 0: as many as the cores that the process may use.",
    default=0,
    swept=(1, 2),
    unit="threads",
    minimum=0,
    maximum=1024,
)

SPEED_KNOBS = frozenset({TRAIN_DEVICES.name, TRAIN_THREADS.name})  # they leave the steps the same, up to rounding

TRAINING = KnobSet(
    "training",
    (
        LEARNING_RATE,
        DROPOUT,
        L2,
        TRAIN_BATCH_SIZE,
        EPOCHS,
        LOSS,
        ACTIVATION,
        OPTIMIZER,
        INPUT_NOISE,
        VALIDATION_SHARE,
        TRAIN_DEVICES,
        TRAIN_THREADS,
    ),
)
