"""What the harness knows of a trainer: its name, its knobs, the models it can train, and how it is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from harness.plan.target_spec import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan.knobs import KnobSet, Setting, Value

DEFAULT_TRAINER = "keras"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerSpec:
    """Something that fits models.

    `command` is what follows the interpreter's name to fit one model once (`-m targets.training`), to which the
    harness adds `--model --knobs JSON --seed N --out FOLDER --control-fd N`. `models` are the models it can train,
    each with the values of its own that a knob has where the user sets none. `speed_knobs` are those that leave what
    is learned as it is.
    """

    name: str
    doc: str
    knobs: KnobSet
    models: Mapping[str, Setting]
    command: tuple[str, ...]
    speed_knobs: frozenset[str] = frozenset()

    def complete(self, model: str, setting: Mapping[str, Value]) -> Setting:
        """`setting` with the model's own values for what it leaves out. Raises UserError for an unknown model."""
        if model not in self.models:
            raise unknown_name("model", model, self.models)
        chosen = {name: self.knobs[name].check(value) for name, value in setting.items()}
        return {**self.models[model], **chosen}


def known_trainers() -> dict[str, TrainerSpec]:
    """Every trainer that an installed package offers, by name."""
    return installed("sweepspot.trainers")


def find_trainer(name: str = DEFAULT_TRAINER) -> TrainerSpec:
    """The trainer called `name`. Raises UserError that names the nearest."""
    trainers = known_trainers()
    if not trainers:
        raise UserError("no trainer is installed: install this project anew (pip install -e .)")
    if name not in trainers:
        raise unknown_name("trainer", name, trainers)
    return trainers[name]
