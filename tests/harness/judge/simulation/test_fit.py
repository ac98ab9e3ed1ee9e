"""From rows to a system: what is put into the rows comes out again, and a simulation of it gives the rows' figures."""

import pytest
from batches_of import BASE_MS, OWN_MS, SLOPE_MS, TRAVEL_MS, plan_of, trial_of

from harness.errors import UserError
from harness.judge.simulation.fit import batch_trials, fit
from harness.judge.simulation.prediction import Offered, predict, settings_of


def test_what_made_the_rows_is_found():
    plan = plan_of(({"batch_size": 1}, 1), ({"batch_size": 8}, 16), ({"batch_size": 4}, 8))
    trials = [trial_of(plan, 0, 1, busy=False), trial_of(plan, 1, 8, busy=True), trial_of(plan, 2, 4, busy=True)]
    found = fit(batch_trials(plan, trials))
    assert (found.service.slope_ms, found.service.base_ms) == pytest.approx((SLOPE_MS, BASE_MS), rel=0.01)
    assert found.request_ms == pytest.approx(OWN_MS, rel=0.02)
    assert found.travel_ms == pytest.approx(TRAVEL_MS, abs=0.02)
    assert (found.batches, found.busy_trials) == (1200, 2)
    # Sixteen users, batches of eight: always one in the model and one waiting.
    (one,) = predict(found, settings_of({"batch_size": (8,)}, {}), Offered(users_per_replica=16), (), 1)
    assert one.throughput_rps == pytest.approx(8 / (SLOPE_MS * 8 + BASE_MS + OWN_MS * 8) * 1e3, rel=0.02)
    assert one.mean_batch == pytest.approx(8, rel=0.01)


def test_trials_of_other_layouts_say_nothing_of_one_process():
    plan = plan_of(({"replicas": 2}, 8), ({"stages": 2}, 8), ({"strategy": "data"}, 8), ({"dispatch": "queue"}, 8))
    trials = [trial_of(plan, number, 4, busy=True) for number in range(4)]
    with pytest.raises(UserError, match="no trial of one replica"):
        fit(batch_trials(plan, trials))


def test_predictions_are_measured_by_the_first():
    plan = plan_of(({"batch_size": 8}, 16))
    found = fit(batch_trials(plan, [trial_of(plan, 0, 8, busy=True)]))
    swept = {"replicas": (1, 4), "dispatch": ("queue",), "batch_size": (8,)}
    one, four = predict(found, settings_of(swept, {}), Offered(users_per_replica=16), (), 1)
    assert (one.speedup, one.efficiency, one.load) == (1.0, 1.0, "16 users")
    assert (four.processes, four.load) == (4, "64 users")
    assert four.efficiency == pytest.approx(four.speedup / 4)
