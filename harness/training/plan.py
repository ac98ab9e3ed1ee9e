"""The plan of a training run: which settings are fitted, from which seeds, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.plan.knobs import cross
from harness.plan.plan import BasePlan, BasePoint, order_trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.knobs import Setting, Value
    from harness.training.trainer_spec import TrainerSpec

TRAINING_SCHEMA_VERSION = 1
DEFAULT_MODEL = "digits-mlp"
DEFAULT_TARGET_ACCURACY = 0.9


class TrainingPoint(BasePoint, frozen=True, kw_only=True):
    """One setting of the swept knobs."""

    def _load_words(self) -> list[str]:
        return [] if self.setting else ["train"]


class TrainingPlan(BasePlan[TrainingPoint], frozen=True, kw_only=True):
    """What is fitted, how, and in which order. A trial's seed is `seed` plus its repeat: the same for every point.

    Points that share their seeds start from the same weights and see the examples in the same order, so that their
    difference is the setting's.
    """

    trainer: str
    epochs: tuple[int, ...]  # of each point
    baseline: int = 0  # the point that the others are compared with
    seeds: int
    target_accuracy: float = DEFAULT_TARGET_ACCURACY
    by_speed: bool = False  # the swept knobs leave what is learned as it is: the fastest is asked for
    schema_version: int = TRAINING_SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What a user asked for, as typed on the command line."""

    words: Sequence[str]  # "learning_rate", "dropout=0,0.5", ...
    trainer: TrainerSpec
    model: str
    seeds: int
    seed: int = 1
    target_accuracy: float = DEFAULT_TARGET_ACCURACY


def make_training_plan(request: TrainingRequest) -> TrainingPlan:
    """The plan of a request. Raises UserError for an unknown model or knob, an illegal value, or too many trials."""
    values = request.trainer.knobs.parse_sweep(request.words)
    for name in set(request.words) & set(values):  # a bare name: what the model has anyway is one of its values
        values[name] = _with_own(values[name], request.trainer.complete(request.model, {}).get(name))
    fixed, settings = cross(values)
    swept = tuple(settings[0])
    trials = order_trials(range(len(settings)), request.seeds, request.seed)
    return TrainingPlan(
        name="-".join(("train", *swept)),
        trainer=request.trainer.name,
        model=request.model,
        points=tuple(TrainingPoint(number=number, setting=setting) for number, setting in enumerate(settings)),
        trials=tuple(msgspec.structs.replace(trial, seed=request.seed + trial.repeat) for trial in trials),
        epochs=tuple(
            int(request.trainer.complete(request.model, {**fixed, **setting})["epochs"]) for setting in settings
        ),
        fixed=fixed,
        baseline=_baseline(request, settings),
        seeds=request.seeds,
        seed=request.seed,
        target_accuracy=request.target_accuracy,
        by_speed=bool(swept) and request.trainer.speed_knobs.issuperset(swept),
    )


def _with_own(values: tuple[Value, ...], own: Value | None) -> tuple[Value, ...]:
    if own is None or own in values or isinstance(own, str):
        return values
    return tuple(sorted((*values, own), key=float))


def _baseline(request: TrainingRequest, settings: Sequence[Setting]) -> int:
    """The point that leaves the model as it is; the first where none does."""
    own = {**request.trainer.knobs.defaults(), **request.trainer.complete(request.model, {})}
    return next((n for n, setting in enumerate(settings) if all(own[name] == setting[name] for name in setting)), 0)
