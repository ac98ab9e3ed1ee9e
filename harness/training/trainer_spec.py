"""Describes a trainer: its name, its knobs, the models that it can train, and its command line."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from harness.plan.target_spec import installed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.plan.knobs import KnobSet, Setting, Value

DEFAULT_TRAINER = "keras"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerSpec:
    """A trainer that an installed package offers.

    `command` is what follows the interpreter's name to fit one model once (`-m targets.training`), to which `argv`
    and the control channel add `--model --knobs JSON --seed N --out FOLDER --control-fd N`. `models` are the models
    that it can train, each with the values that its own knobs have where the user sets none. `speed_knobs` are those
    that change the speed of training and not what is learned.
    """

    name: str
    doc: str
    knobs: KnobSet
    models: Mapping[str, Setting]
    command: tuple[str, ...]
    speed_knobs: frozenset[str] = frozenset()

    def argv(self, model: str, setting: Setting, seed: int, folder: Path) -> list[str]:
        """The command line that fits `model` once and leaves `epochs.arrow` and `fit.json` in `folder`."""
        fit = ("--model", model, "--seed", str(seed), "--knobs", json.dumps(setting), "--out", str(folder))
        return [sys.executable, *self.command, *fit]

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
    """The trainer called `name`. Raises UserError, which suggests the nearest name."""
    trainers = known_trainers()
    if not trainers:
        raise UserError("no trainer is installed: install this project anew (pip install -e .)")
    if name not in trainers:
        raise unknown_name("trainer", name, trainers)
    return trainers[name]
