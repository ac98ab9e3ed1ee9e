"""What a unit of output costs, worked out by hand."""

import msgspec
import pytest

from harness.judge.interval import Interval
from harness.judge.metrics import Usage
from harness.judge.numbers.machine.unit_costs import unit_cost
from harness.plan.arrivals import Closed
from tests.examples.example_runs import point_of


@pytest.fixture
def point():
    """200 responses a second in two trials of 10 s each, by 1.5 cores."""
    usage = Usage(cpu_target_cores=1.5, gpu_energy_j=300.0, package_energy_j=100.0)
    return msgspec.structs.replace(
        point_of(0, {}, Closed(users=1)),
        throughput_rps=Interval(200.0),
        seconds=20.0,
        repeats=2,
        usage=usage,
        stream=None,
    )


def test_all_costs_are_those_of_good_responses(point):
    cost = unit_cost(point, 7.2)
    assert cost.unit == "response"
    assert cost.core_ms == pytest.approx(7.5)  # 1.5 s of cores for 200
    assert cost.energy_j == pytest.approx(0.2)  # 400 J in a trial of 2,000
    assert cost.price_per_million == pytest.approx(10.0)  # 720,000 in an hour of 7.2


def test_what_is_not_known_is_absent(point):
    cost = unit_cost(msgspec.structs.replace(point, usage=Usage()), None)
    assert (cost.core_ms, cost.energy_j, cost.price_per_million) == (None, None, None)
    assert unit_cost(msgspec.structs.replace(point, throughput_rps=Interval(0.0)), 7.2) is None


def test_the_energy_of_the_loads_machine_is_not_that_of_a_target_elsewhere(point):
    unknown = msgspec.structs.replace(point, usage=Usage(gpu_energy_j=300.0, package_energy_j=100.0))
    assert unit_cost(unknown, None).energy_j is None
    assert unit_cost(unknown, None, in_process=True).energy_j == pytest.approx(0.2)
