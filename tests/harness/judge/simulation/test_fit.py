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


def fitted():
    plan = plan_of(({"batch_size": 1}, 1), ({"batch_size": 8}, 16))
    return fit(batch_trials(plan, [trial_of(plan, 0, 1, busy=False), trial_of(plan, 1, 8, busy=True)]))


def predicted(swept, **offered):
    return list(predict(fitted(), settings_of({"batch_size": (8,), **swept}, {}), Offered(**offered), (), 1))


def test_predictions_are_measured_by_one_replica_also_where_none_is_among_them():
    two, four = predicted({"replicas": (2, 4), "dispatch": ("queue",)}, users_per_replica=16)
    assert (two.processes, two.load, four.processes, four.load) == (2, "32 users", 4, "64 users")
    assert (two.speedup, four.speedup) == pytest.approx((2, 4), rel=0.03)  # each has a core of its own
    assert (two.efficiency, four.efficiency) == pytest.approx((two.speedup / 2, four.speedup / 4))


def test_what_larger_batches_gain_is_not_booked_as_the_gain_of_replicas():
    swept = {"replicas": (1, 2), "dispatch": ("queue",), "batch_size": (1, 8)}
    found = {
        (each.setting["replicas"], each.setting["batch_size"]): each for each in predicted(swept, users_per_replica=16)
    }
    # A batch of one takes 0.5 + 2 ms, one of eight 0.5 x 8 + 2 ms.
    assert found[1, 8].throughput_rps / found[1, 1].throughput_rps == pytest.approx(8 / 6 * 2.5, rel=0.03)
    assert (found[1, 1].speedup, found[1, 8].speedup) == (1.0, 1.0)
    assert (found[2, 1].speedup, found[2, 8].speedup) == pytest.approx((2, 2), rel=0.03)


def test_stages_are_measured_by_the_whole_model_in_one_process():
    (two,) = predicted({"stages": (2,)}, users_per_replica=64)
    # Alone, eight requests take 0.5 x 8 + 2 ms in the model and 0.1 ms each beside it; a stage takes half of the model.
    assert two.speedup == pytest.approx(6.8 / 3, rel=0.05)
    assert two.efficiency == two.speedup / 2


def test_under_a_rate_nothing_is_measured_by_one_replica():
    found = predicted({"replicas": (1, 4)}, rate_rps=200)
    assert [(each.load, each.speedup, each.efficiency) for each in found] == [("200 req/s", None, None)] * 2
