"""The error of the simulation at points whose batches are known."""

import pytest
from batches_of import plan_of, trial_of

from harness.judge.simulation.fit import batch_trials
from harness.judge.simulation.hold_out import PointError, error_sentence, prediction_errors

SETTINGS = (({"batch_size": 1}, 1), ({"batch_size": 8}, 16), ({"batch_size": 4}, 8))


def trials_of(plan):
    return batch_trials(plan, [trial_of(plan, number, size, busy=number > 0) for number, size in enumerate((1, 8, 4))])


def test_batches_that_follow_a_line_are_predicted_from_the_other_settings():
    plan = plan_of(*SETTINGS)
    errors = prediction_errors(trials_of(plan), seed=1)
    assert [each.point for each in errors] == [0, 1, 2]
    assert all(each.held_out for each in errors)
    assert max(abs(each.throughput) for each in errors) < 0.05


@pytest.mark.parametrize(("setting", "rows"), [({"batch_size": 8}, 8), ({}, 32)])  # 32: the target's default
def test_one_setting_is_simulated_again_with_its_own_batches(setting, rows):
    plan = plan_of((setting, 2 * rows))
    (error,) = prediction_errors(batch_trials(plan, [trial_of(plan, 0, rows, busy=True)]), seed=1)
    assert not error.held_out
    assert error.throughput == pytest.approx(0.0, abs=0.02)


def test_the_sentence_gives_the_middle_and_the_most_and_warns():
    errors = [PointError(number, off, 0.1, held_out=True) for number, off in enumerate((0.1, -0.3, 0.5))]
    text = error_sentence(errors)
    assert "3 measured points, predicted from the other settings" in text
    assert "off by 30 % (median) and by 50 % at most" in text.replace("\u202f", " ")
    assert "too far to rely on" in text
    assert "not known" in error_sentence([])
