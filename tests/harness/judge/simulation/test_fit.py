"""From rows to a system: what is put into the rows comes out again, and a simulation of it gives the rows' figures."""

import numpy as np
import pytest
from evidence_of import MS, START, S, report_of, rows_of

from harness.errors import UserError
from harness.judge.simulation.fit import calibrate
from harness.judge.simulation.prediction import Offered, predict, settings_of
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.trial_data import TrialData

SLOPE_MS, BASE_MS, OWN_MS, TRAVEL_MS = 0.5, 2.0, 0.1, 0.3


def plan_of(*settings):
    points = tuple(
        Point(number=number, setting=setting, arrivals=Closed(users=users))
        for number, (setting, users) in enumerate(settings)
    )
    return Plan(
        name="p", target="batched", scenario="s", model="m", points=points, trials=(), load=LoadSettings(measure_s=1),
        repeats=1, seed=1,
    )  # fmt: skip


def trial_of(plan, number, rows_per_batch, *, busy):
    """Batches one after the other, each as long as a + b says; where busy, each request waited for the one before."""
    batches = 400
    service_ns = round((SLOPE_MS * rows_per_batch + BASE_MS) * MS) + np.arange(batches)  # each its own, to the ns
    cycle_ns = service_ns + round(OWN_MS * rows_per_batch * MS) + (0 if busy else round(TRAVEL_MS * MS))
    starts_ns = START + np.concatenate([[0], np.cumsum(cycle_ns)[:-1]])
    wait_ns = cycle_ns if busy else np.zeros(batches, dtype=np.int64)
    each = lambda values: np.repeat(values, rows_per_batch)  # noqa: E731
    response_ns = each(cycle_ns + wait_ns + (round(TRAVEL_MS * MS) if busy else 0))
    table = rows_of(
        each(starts_ns),
        response_ns,
        compute_ns=each(service_ns),
        batch_size=rows_per_batch,
        queue_ns=each(wait_ns),
        batch_wait_ns=0,
    )
    seconds = float(cycle_ns.sum()) / S
    point = plan.points[number]
    trial = Trial(number=number, point=number, repeat=0, seed=1)
    return TrialData(trial=trial, point=point, rows=table, reports=(report_of(table, seconds),))


def test_what_made_the_rows_is_found():
    plan = plan_of(({"batch_size": 1}, 1), ({"batch_size": 8}, 16), ({"batch_size": 4}, 8))
    trials = [trial_of(plan, 0, 1, busy=False), trial_of(plan, 1, 8, busy=True), trial_of(plan, 2, 4, busy=True)]
    found = calibrate(plan, trials)
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
        calibrate(plan, trials)


def test_predictions_are_measured_by_the_first():
    plan = plan_of(({"batch_size": 8}, 16))
    found = calibrate(plan, [trial_of(plan, 0, 8, busy=True)])
    swept = {"replicas": (1, 4), "dispatch": ("queue",), "batch_size": (8,)}
    one, four = predict(found, settings_of(swept, {}), Offered(users_per_replica=16), (), 1)
    assert (one.speedup, one.efficiency, one.load) == (1.0, 1.0, "16 users")
    assert (four.processes, four.load) == (4, "64 users")
    assert four.efficiency == pytest.approx(four.speedup / 4)
