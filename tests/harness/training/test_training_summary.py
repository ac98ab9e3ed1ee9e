"""Figures of training, by hand."""

import math
from dataclasses import replace

import pytest
from fits_of import cut_off, epochs_of, fits_of, plan_of, with_

from harness.judge.findings import Verdict
from harness.training.training_summary import summarise_fit, summarise_training, summarise_training_point


def point_of(results, *words, seeds=3, **more):
    plan = plan_of(*words, seeds=seeds, **more)
    evidence = [each for each in fits_of(plan, results) if each.point.number == 0]
    return summarise_training_point(plan, plan.points[0], evidence)


def kinds(point):
    return {finding.kind for finding in point.findings}


def test_a_fit_in_figures():
    plan = plan_of(seeds=1, target_accuracy=0.75)
    rows = epochs_of([0.5, 0.75, 0.8, 0.7], train=[0.5, 0.8, 0.9, 0.95], losses=[1.0, 0.5, 0.4, 0.5], seconds=2.0)
    (evidence,) = fits_of(plan, lambda *_: (rows, 0.72))
    fit = summarise_fit(evidence, plan)
    assert fit.whole
    assert fit.seconds == 8.0  # judging excluded
    assert fit.samples_per_s == 50.0  # 300 examples in the 6 s of the last three epochs
    assert fit.seconds_to_target == 4.0  # two epochs
    assert fit.gap == pytest.approx(0.25)
    assert fit.lowest_loss_epoch == 3
    assert fit.loss_rise == pytest.approx(0.25)
    assert (fit.test_accuracy, fit.test_loss) == (0.72, 0.2)


def test_a_single_epoch_has_no_throughput_as_it_compiled():
    plan = plan_of(seeds=1)
    (evidence,) = fits_of(plan, lambda *_: (epochs_of([0.5]), 0.5))
    assert summarise_fit(evidence, plan).samples_per_s is None


def test_why_the_samplers_of_a_fit_ended_is_said():
    plan = plan_of(seeds=1)
    (evidence,) = fits_of(plan, lambda *_: (epochs_of([0.9, 0.9]), 0.9))
    (shown,) = summarise_fit(replace(evidence, sampler_failure="killed by SIGKILL"), plan).findings
    unknown = "There are fewer than two resource samples of this fit: CPU, memory and GPU are unknown."
    assert (shown.kind, shown.text) == ("sampler", f"{unknown} The samplers failed: killed by SIGKILL.")


def test_means_and_intervals_over_seeds():
    accuracies = {1: 0.90, 2: 0.92, 3: 0.94}
    point = point_of(lambda _, seed: (epochs_of([0.5, accuracies[seed]]), accuracies[seed]))
    # Student's t with 2 degrees of freedom: 4.3027 standard errors of 0.02 / sqrt(3).
    assert point.test_accuracy.value == pytest.approx(0.92)
    assert point.test_accuracy.low == pytest.approx(0.92 - 0.049683, abs=1e-5)
    assert point.test_accuracy.high == pytest.approx(0.92 + 0.049683, abs=1e-5)
    assert point.curves.validation_accuracy.values == (0.5, pytest.approx(0.92))
    assert point.curves.validation_accuracy.low == (0.5, 0.90)
    assert point.curves.validation_accuracy.high == (0.5, 0.94)
    assert point.verdict is Verdict.VALID


def test_an_interval_of_shares_stays_within_one():
    point = point_of(lambda _, seed: (epochs_of([0.9, 0.9]), {1: 0.9, 2: 1.0, 3: 1.0}[seed]))
    assert point.test_accuracy.high == 1.0


def test_two_seeds_have_no_interval_and_say_so():
    point = point_of(lambda *_: (epochs_of([0.9, 0.9]), 0.9), "learning_rate", seeds=2)
    assert (point.test_accuracy.low, point.test_accuracy.high) == (None, None)
    assert "too_few_seeds" in kinds(point)
    assert point.verdict is Verdict.DEGRADED


def test_one_seed_is_enough_where_nothing_is_compared():
    assert point_of(lambda *_: (epochs_of([0.9, 0.9]), 0.9), seeds=1).verdict is Verdict.VALID


def test_the_time_to_the_target_is_absent_unless_every_seed_got_there():
    point = point_of(lambda _, seed: (epochs_of([0.5, 0.95 if seed > 1 else 0.85]), 0.9))
    assert point.seconds_to_target is None
    assert point.reached_target == 2


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_divergence_and_has_no_accuracy(loss):
    rows = epochs_of([0.5, 0.1])
    rows = (rows[0], with_(rows[1], validation_loss=loss))
    point = point_of(lambda _, seed: (rows, None) if seed == 2 else (epochs_of([0.9, 0.9]), 0.9))
    assert point.verdict is Verdict.INVALID
    (finding,) = [finding for finding in point.findings if finding.kind == "diverged"]
    assert "1 of 3 seeds" in finding.text
    assert "epoch 2" in finding.text
    assert point.seeds == 2


def test_a_fit_that_was_cut_off_costs_a_seed_and_keeps_its_epochs():
    plan = plan_of()
    evidence = list(fits_of(plan, lambda *_: (epochs_of([0.9, 0.9, 0.9, 0.9]), 0.9)))
    evidence[1] = cut_off(evidence[1], "the trainer died with exit code -9", died=True)
    point = summarise_training_point(plan, plan.points[0], evidence)
    assert point.seeds == 2
    assert point.verdict is Verdict.DEGRADED
    assert "trainer_died" in kinds(point)
    assert point.fits[1].epochs == 4


@pytest.mark.parametrize(
    ("train", "validation", "losses", "found"),
    [
        ([0.9, 1.0], [0.85, 0.9], [0.3, 0.29], {"overfitting"}),  # a gap of 10 points
        ([0.9, 0.93], [0.9, 0.92], [0.3, 0.4], {"overfitting"}),  # the loss has risen by a third
        ([0.9, 0.93], [0.9, 0.92], [0.3, 0.3], set()),
        ([0.5, 0.6], [0.5, 0.6], [0.9, 0.9], {"underfitting"}),  # far from the target of 0.9
    ],
)
def test_how_a_model_fits_is_named(train, validation, losses, found):
    plan = plan_of(seeds=3)
    evidence = fits_of(plan, lambda *_: (epochs_of(validation, train, losses), validation[-1]))
    (point,) = summarise_training(plan, evidence).points
    assert kinds(point) & {"overfitting", "underfitting"} == found


def test_a_loss_that_still_falls_is_named():
    losses = [1.0 * 0.9**epoch for epoch in range(20)]
    point = point_of(lambda *_: (epochs_of([0.9] * 20, losses=losses), 0.9))
    assert "unconverged" in kinds(point)
    flat = point_of(lambda *_: (epochs_of([0.9] * 20, losses=[0.5] * 20), 0.9))
    assert "unconverged" not in kinds(flat)


def test_guessing_is_named():
    # 0.1 plus two standard errors of 400 examples: 0.13.
    assert "not_learned" in kinds(point_of(lambda *_: (epochs_of([0.12, 0.12]), 0.125)))
    assert "not_learned" not in kinds(point_of(lambda *_: (epochs_of([0.2, 0.2]), 0.14)))


def test_what_was_never_trained_is_missing_and_unequal_seeds_are_named():
    plan = plan_of("learning_rate")
    evidence = list(fits_of(plan, lambda *_: (epochs_of([0.9, 0.9, 0.9, 0.9]), 0.9)))
    result = summarise_training(plan, evidence[:-1])
    assert len(result.missing) == 1
    lacking = plan.trials[-1].point
    assert {p.point for p in result.points if "unequal_seeds" in kinds(p)} == {lacking}
    assert summarise_training(plan, []).verdict is Verdict.INVALID


def test_curves_end_where_the_first_seed_ends_and_are_thinned():
    point = point_of(lambda _, seed: (epochs_of([0.5] * (1000 + seed)), 0.5), seeds=2)
    curve = point.curves.train_accuracy
    assert curve.epochs[0] == 1
    assert curve.epochs[-1] == 1001
    assert len(curve.epochs) == 200
