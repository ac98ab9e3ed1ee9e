"""Evidence of fits with figures that a reader can follow, and the plan they belong to."""

from __future__ import annotations

import msgspec

from harness.plan.knobs import Knob, KnobSet, Owner
from harness.record.model_card import ModelCard
from harness.training.epochs import Epoch
from harness.training.fit_result import Fit
from harness.training.plan import TrainingRequest, make_training_plan
from harness.training.run_dir import FitData
from harness.training.trainer_spec import TrainerSpec

S = 1_000_000_000


def knob(name, default, swept, **more):
    return Knob(name=name, doc=name, default=default, swept=swept, owner=Owner.TRAINING, **more)


TRAINER = TrainerSpec(
    name="toy",
    doc="no trainer at all",
    knobs=KnobSet(
        "training",
        (
            knob("learning_rate", 0.01, (0.001, 0.01, 0.1), minimum=1e-9),
            knob("dropout", 0.5, (0.0, 0.5), minimum=0, maximum=0.99),
            knob("epochs", 50, (5, 50), minimum=1),
            knob("devices", 1, (1, 2), minimum=1),
            knob("optimizer", "adam", ("adam", "sgd"), choices=("adam", "sgd")),
        ),
    ),
    models={"toy-mlp": {"epochs": 4}},
    command=("-m", "nothing"),
    speed_knobs=frozenset({"devices"}),
)


def plan_of(*words, seeds=3, seed=1, target_accuracy=0.9):
    return make_training_plan(
        TrainingRequest(
            words=words, trainer=TRAINER, model="toy-mlp", seeds=seeds, seed=seed, target_accuracy=target_accuracy
        )
    )


def epochs_of(validation, train=None, losses=None, *, seconds=1.0, examples=100):
    """An epoch per validation accuracy: `seconds` of fitting, then as long again of judging."""
    train = validation if train is None else train
    losses = [1 - accuracy + 0.01 for accuracy in validation] if losses is None else losses
    return tuple(
        Epoch(
            epoch=number + 1,
            begin_ns=int(2 * number * seconds * S),
            fitted_ns=int((2 * number + 1) * seconds * S),
            end_ns=int((2 * number + 2) * seconds * S),
            examples=examples,
            learning_rate=0.01,
            train_loss=losses[number],
            train_accuracy=train[number],
            validation_loss=losses[number],
            validation_accuracy=validation[number],
        )
        for number in range(len(validation))
    )


def card_of(accuracy, loss=0.2, test_count=400):
    return ModelCard(
        name="toy-mlp", parameters=10, train_count=100, test_count=test_count, test_loss=loss, test_accuracy=accuracy
    )


def fits_of(plan, results):
    """Evidence for every trial of `plan`: `results` is (point, seed) -> (epochs, test accuracy or None)."""
    for trial in plan.trials:
        point = plan.point(trial.point)
        epochs, accuracy = results(point, trial.seed)
        fit = Fit(
            setting={},
            seed=trial.seed,
            model=card_of(accuracy, None if accuracy is None else 0.2),
            validation_count=200,
            majority_share=0.1,
            devices=("CPU:0",),
        )
        yield FitData(trial=trial, point=point, planned_epochs=plan.epochs[point.number], epochs=epochs, fit=fit)


def cut_off(evidence, failure="interrupted", *, died=False):
    """The same fit, stopped before its end."""
    values = {name: getattr(evidence, name) for name in evidence.__slots__}
    return FitData(**{**values, "fit": None, "failure": failure, "trainer_died": died})


def with_(struct, **changes):
    return msgspec.structs.replace(struct, **changes)
