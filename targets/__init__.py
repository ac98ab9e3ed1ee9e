"""The registry of targets (embedded ones and recipes of external servers) and of trainers.

Importing this imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.target_spec import EmbeddedTarget, InProcessTarget
from harness.training.trainer_spec import TrainerSpec
from targets import knobs
from targets.engines.knobs import knobs_of_file
from targets.external import shipped
from targets.generation.recipe import RECIPES as CHAT_RECIPES
from targets.models.catalog import RECIPES, find_recipe
from targets.training.knobs import SPEED_KNOBS, TRAINING

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import ClientSide, InProcessModel, NamedTarget


def _open_inprocess(model: str, setting: Setting) -> InProcessModel:
    from targets.inprocess import open_model

    return open_model(model, setting)


def _open_client(model: str, setting: Setting) -> ClientSide:
    return find_recipe(model).pipeline.choose(setting).prepare_one


def _rivals(model: str) -> tuple[str, ...]:
    """The models that are trained on the same data."""
    if model not in RECIPES:
        return (model,)
    return tuple(name for name, recipe in RECIPES.items() if recipe.data is RECIPES[model].data)


_MODELS = tuple(RECIPES)

_TARGETS: tuple[NamedTarget, ...] = (
    InProcessTarget(
        name="inprocess",
        doc="the Keras model inside the load process, called from its threads",
        knobs=knobs.INPROCESS,
        models=_MODELS,
        rivals=_rivals,
        takes_files=True,
        knobs_of_file=knobs_of_file,
        open_client=_open_client,
        open_model=_open_inprocess,
    ),
    EmbeddedTarget(
        name="threaded",
        doc="a threaded HTTP server, one model call per request",
        knobs=knobs.THREADED,
        models=_MODELS,
        rivals=_rivals,
        takes_files=True,
        knobs_of_file=knobs_of_file,
        open_client=_open_client,
        command=("-m", "targets", "threaded"),
    ),
    EmbeddedTarget(
        name="batched",
        doc="an event-loop HTTP server that batches dynamically",
        knobs=knobs.BATCHED,
        models=_MODELS,
        rivals=_rivals,
        takes_files=True,
        knobs_of_file=knobs_of_file,
        open_client=_open_client,
        command=("-m", "targets", "batched"),
    ),
    EmbeddedTarget(
        name="agent",
        doc="a language model behind OpenAI's chat completions, streamed, with continuous batching",
        knobs=knobs.AGENT,
        models=tuple(CHAT_RECIPES),
        command=("-m", "targets", "agent"),
        protocol="openai",
    ),
    EmbeddedTarget(
        name="null",
        doc="responds at once without a model: the upper bound of the front end and of the load generator",
        knobs=knobs.NULL,
        models=_MODELS,
        rivals=_rivals,
        open_client=_open_client,
        command=("-m", "targets", "null"),
    ),
    EmbeddedTarget(
        name="fixed",
        doc="responds after a known delay, with injected faults, to calibrate the load generator",
        knobs=knobs.FIXED,
        models=_MODELS,
        rivals=_rivals,
        open_client=_open_client,
        command=("-m", "targets", "fixed"),
    ),
    *shipped(),
)

TARGETS: dict[str, NamedTarget] = {target.name: target for target in _TARGETS}

TRAINERS: dict[str, TrainerSpec] = {
    "keras": TrainerSpec(
        name="keras",
        doc="the reference models, fitted by Keras in a separate process",
        knobs=TRAINING,
        models={name: recipe.training for name, recipe in RECIPES.items()},
        command=("-m", "targets.training"),
        speed_knobs=SPEED_KNOBS,
    )
}
