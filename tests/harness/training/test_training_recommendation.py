"""The sentence that a user reads first."""

from fits_of import cut_off, epochs_of, fits_of, plan_of, with_

from harness.judge.findings import Verdict
from harness.training.training_summary import summarise_training


def sweep(accuracies, *words, seeds=3, noise=0.001, test_offset=0.01, luck=0.0):
    """Each point ends at its accuracy on the validation examples, a little better from every further seed."""
    plan = plan_of(*words, seeds=seeds)

    def results(point, seed):
        accuracy = accuracies[point.number]
        if accuracy is None:
            rows = epochs_of([0.5, 0.1])
            return (rows[0], with_(rows[1], train_loss=float("nan"))), None
        return epochs_of([0.5, accuracy + noise * seed]), accuracy - test_offset + luck * (
            seed * (point.number + 1) % 3
        )

    return plan, summarise_training(plan, fits_of(plan, results))


def test_the_best_is_chosen_on_validation_examples_and_told_with_its_gain():
    _, result = sweep([0.5, 0.8, 0.9], "learning_rate")
    answer = result.recommendation
    assert answer.best_point == 2
    assert answer.baseline_point == 1
    assert round(answer.gain.value, 6) == 0.1
    assert answer.sentence.startswith("learning_rate=0.1 generalises best: it gets 89.0\u202f%")
    assert "10.0 points (10.0 to 10.0) more than learning_rate=0.01" in answer.sentence
    assert answer.tied_points == ()
    assert result.verdict is Verdict.VALID


def test_what_cannot_be_told_apart_is_said():
    _, result = sweep([0.5, 0.9, 0.9005], "learning_rate", luck=0.01)
    assert result.recommendation.tied_points == (1,)
    assert "learning_rate=0.01 cannot be distinguished from it here." in result.recommendation.sentence


def test_one_seed_tells_nothing_apart():
    _, result = sweep([0.5, 0.8, 0.9], "learning_rate", seeds=1)
    assert set(result.recommendation.tied_points) == {0, 1}
    assert "One seed cannot distinguish a better value from a lucky start" in result.recommendation.sentence
    assert result.verdict is Verdict.DEGRADED


def test_a_setting_that_diverged_is_named_and_costs_no_trust():
    _, result = sweep([0.8, 0.9, None], "learning_rate")
    assert result.recommendation.best_point == 1
    assert "learning_rate=0.1 diverged." in result.recommendation.sentence
    assert result.verdict is Verdict.VALID


def test_where_everything_diverged_there_is_no_answer():
    _, result = sweep([None, None, None], "learning_rate")
    assert result.recommendation.best_point is None
    assert result.recommendation.sentence.startswith("No recommendation: every fit is INVALID")
    assert result.verdict is Verdict.INVALID


def test_a_setting_that_was_cut_off_might_have_been_the_best():
    plan = plan_of("learning_rate")
    every = list(fits_of(plan, lambda point, _: (epochs_of([0.5, 0.7 + point.number / 10]), 0.7 + point.number / 10)))
    evidence = [cut_off(each) if each.point.number == 0 else each for each in every]
    result = summarise_training(plan, evidence)
    assert result.recommendation.best_point == 2
    assert result.verdict is Verdict.DEGRADED


def test_a_single_model_is_told_with_what_chance_allows():
    _, result = sweep([0.91], seeds=1, test_offset=0.0)
    # Wilson's interval of 364 out of 400.
    assert (
        "toy-mlp gets 91.0\u202f% (87.8\u201393.4) of the test examples right after 4 epochs."
        in result.recommendation.sentence
    )
    assert result.recommendation.baseline_point == result.recommendation.best_point
    assert result.recommendation.gain is None


def test_where_the_knob_is_a_matter_of_speed_the_fastest_of_equals_is_the_answer():
    plan = plan_of("devices")
    assert plan.by_speed
    assert not plan_of("devices", "dropout").by_speed

    def results(point, seed):
        return epochs_of([0.5, 0.9, 0.9], seconds=1.0 if point.number else 2.0), 0.9 + 0.001 * seed

    answer = summarise_training(plan, fits_of(plan, results)).recommendation
    assert answer.best_point == 1
    assert answer.tied_points == (0,)
    assert answer.sentence == (
        "devices=2 trains fastest: 100 examples/s (100\u2013100). "
        "That is 2\u00d7 devices=1, and their accuracies cannot be distinguished."
    )


def test_an_equal_that_surely_trains_faster_is_named():
    plan = plan_of("dropout")

    def results(point, seed):
        jitter = 1 + 0.01 * seed
        accuracy = 0.9 + 0.001 * (seed * (point.number + 1) % 3) + 0.0005 * point.number
        return epochs_of([0.5, accuracy], seconds=jitter * (1 + point.number)), accuracy

    answer = summarise_training(plan, fits_of(plan, results)).recommendation
    assert answer.best_point == 1
    assert "dropout=0 cannot be distinguished from it here. dropout=0 trains 2\u00d7 as fast." in answer.sentence
