"""Layouts compared: speedup, efficiency, bubble and bounds by hand."""

import msgspec
import pytest
from answers_of import point_of

from harness.judge.conclusions.scaling import bubble, scaling
from harness.judge.metrics import TimeSplit
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point

PIECES_MS = (1.0, 2.0, 1.0)  # cut in two: 1 and 3, or 3 and 1; in three: 1, 2, 1


def run_of(settings, rates, *, users=(16,), mean_batch=4.0, compute_ms=5.0, **fixed):
    """(plan, points): every setting at each load, with throughputs given load by load."""
    plan = Plan(
        name="sweep",
        target="batched",
        scenario="s",
        model="m",
        points=tuple(
            Point(number=number, setting=setting, arrivals=Closed(users=load))
            for number, (load, setting) in enumerate((load, setting) for load in users for setting in settings)
        ),
        trials=(),
        fixed=fixed,
        load=LoadSettings(measure_s=1),
        repeats=1,
        seed=1,
    )
    points = [
        msgspec.structs.replace(
            point_of(rate, number=point.number, setting=point.setting, users=point.arrivals.users, half=0.001 * rate),
            mean_batch=mean_batch,
            split=TimeSplit(send_ms=0.0, compute_ms=compute_ms),
        )
        for point, rate in zip(plan.points, rates, strict=True)
    ]
    return plan, points


def test_bubble_is_gpipes():
    assert bubble(1, 4) == 0
    assert bubble(2, 1) == pytest.approx(1 / 2)
    assert bubble(4, 8) == pytest.approx(3 / 11)
    assert bubble(2, 0.2) == pytest.approx(1 / 2), "less than one batch is never in a pipeline that works"


def test_speedup_efficiency_bubble_and_bound():
    settings = [{"strategy": name} for name in ("single", "data", "model", "hybrid")]
    plan, points = run_of(settings, [100.0, 180.0, 120.0, 90.0])
    found = scaling(plan, points, 2, PIECES_MS)
    single, data, model, hybrid = found.layouts
    assert [(each.replicas, each.stages, each.processes) for each in found.layouts] == [
        (1, 1, 1), (2, 1, 2), (1, 2, 2), (2, 2, 4),
    ]  # fmt: skip
    assert (single.speedup, single.efficiency) == (None, None)
    assert data.speedup.value == pytest.approx(1.8)
    assert data.efficiency == pytest.approx(0.9)
    assert hybrid.efficiency == pytest.approx(0.9 / 4)
    # 100/s times 20 ms (the mean response of these points) are 2 requests, half a batch of 4.
    assert single.batches_in_flight == pytest.approx(0.5)
    assert (data.bubble, model.bubble) == (None, pytest.approx(1 / 2))
    assert single.busy_share == pytest.approx(100 / 4 * 0.005)
    assert data.busy_share == pytest.approx(180 / 4 * 0.005 / 2)
    assert data.most_speedup == pytest.approx(2.0)
    assert model.most_speedup == pytest.approx(4 / 3)
    said = " ".join(found.sentences)
    assert "strategy=data has the highest throughput at 16 users (1.5× strategy=model)." in said
    assert "strategy=model: its longest stage has 75 % of the model's time" in said.replace("\u202f", " ")
    assert "strategy=hybrid: 4 processes that compute share 2 cores and take turns." in said


def test_each_load_has_its_own_winner_and_a_tie_is_called_one():
    settings = [{"replicas": 1}, {"replicas": 2}]
    plan, points = run_of(settings, [100.0, 60.0, 100.0, 190.0, 100.0, 100.1], users=(1, 32, 64))
    found = scaling(plan, points, 2, ())
    assert found.sentences == (
        "replicas=1 has the highest throughput at 1 user (1.67× replicas=2).",
        "replicas=2 has the highest throughput at 32 users (1.9× replicas=1).",
        "replicas=2 has the highest throughput at 64 users, but replicas=1 cannot be distinguished from it.",
    )
    assert found.layouts[1].most_speedup is None, "the model was never cut: nothing is known of its parts"


def test_cores_of_the_knob_count_before_those_of_the_target():
    plan, points = run_of([{"strategy": "single"}, {"strategy": "data"}], [1.0, 2.0], cores=4)
    assert scaling(plan, points, 16, ()).layouts[1].replicas == 4


def test_runs_of_one_layout_have_no_such_section():
    assert scaling(*run_of([{"batch_size": 1}, {"batch_size": 2}], [1.0, 2.0]), 2, ()) is None
    assert scaling(*run_of([{"strategy": "single"}], [1.0]), 2, ()) is None


def test_a_server_whose_cores_are_not_known_has_no_layouts():
    plan, points = run_of([{"replicas": 1}, {"replicas": 2}], [100.0, 190.0])
    assert scaling(plan, points, 2, ()) is not None
    assert scaling(plan, points, None, ()) is None
