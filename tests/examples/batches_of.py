"""Plans, and trials whose batches take a known time."""

import numpy as np
from evidence_of import MS, START, S, report_of, rows_of

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
