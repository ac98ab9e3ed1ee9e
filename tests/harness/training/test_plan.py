"""A plan of training: what is crossed, in which order, from which seeds."""

import pytest
from fits_of import TRAINER, plan_of

from harness.errors import UserError


def test_a_grid_holds_every_combination_and_sets_what_has_one_value():
    plan = plan_of("learning_rate=0.1,0.2", "optimizer", "dropout=0.3")
    assert [point.setting for point in plan.points] == [
        {"learning_rate": 0.1, "optimizer": "adam"},
        {"learning_rate": 0.1, "optimizer": "sgd"},
        {"learning_rate": 0.2, "optimizer": "adam"},
        {"learning_rate": 0.2, "optimizer": "sgd"},
    ]
    assert plan.fixed == {"dropout": 0.3}
    assert plan.setting_of(plan.points[1]) == {"dropout": 0.3, "learning_rate": 0.1, "optimizer": "sgd"}


def test_every_point_is_trained_from_the_same_seeds_in_blocks():
    plan = plan_of("learning_rate", seeds=4, seed=7)
    blocks = [plan.trials[start : start + 3] for start in range(0, 12, 3)]
    assert [[trial.seed for trial in block] for block in blocks] == [[7] * 3, [8] * 3, [9] * 3, [10] * 3]
    assert all({trial.point for trial in block} == {0, 1, 2} for block in blocks)
    assert len({tuple(trial.point for trial in block) for block in blocks}) > 1, "each block has an order of its own"


def test_epochs_are_the_models_own_until_they_are_set_or_swept():
    assert plan_of("learning_rate").epochs == (4, 4, 4)
    assert plan_of("learning_rate", "epochs=9").epochs == (9, 9, 9)
    assert plan_of("epochs").epochs == (4, 5, 50)


def test_a_bare_name_sweeps_the_models_own_value_too():
    plan = plan_of("epochs")
    assert [point.setting["epochs"] for point in plan.points] == [4, 5, 50]
    assert plan.baseline == 0
    assert [point.setting["epochs"] for point in plan_of("epochs=5,50").points] == [5, 50]


@pytest.mark.parametrize(
    ("words", "baseline"),
    [
        (("learning_rate",), 1),  # the knob's default
        (("epochs=2,4",), 1),  # the model's own number, not the knob's default of 50
        (("learning_rate=0.2,0.3",), 0),  # neither is the default
        (("learning_rate=0.1,0.01", "dropout"), 3),
    ],
)
def test_the_baseline_leaves_the_model_as_it_is(words, baseline):
    assert plan_of(*words).baseline == baseline


@pytest.mark.parametrize("words", [("learningrate",), ("dropout=1",), ("dropout=nan",), ("optimizer=adm",)])
def test_what_is_not_a_knob_or_not_legal_is_refused(words):
    with pytest.raises(UserError, match=words[0][:5]):
        plan_of(*words)


def test_a_model_that_the_trainer_does_not_know_is_refused():
    with pytest.raises(UserError, match="did you mean 'toy-mlp'"):
        TRAINER.complete("toy-mpl", {})
