"""The simulation against queues whose truth is known exactly."""

import exact
import numpy as np
import pytest
import queueing

from harness.judge.simulation.service_time import ServiceTime
from harness.judge.simulation.simulated_run import simulate
from harness.judge.simulation.system import SimulatedSystem
from harness.plan.arrivals import Closed, Constant, Poisson
from harness.plan.process_layout import QUEUE

ONE_MS = ServiceTime(slope_ms=0.0, base_ms=1.0)
PER_S = 1e3  # rates per ms


@pytest.mark.slow
def test_the_exact_truths_agree_with_published_figures():
    assert exact.mdc_mean_wait(0.8, 1) == pytest.approx(2.0, abs=1e-4)  # Pollaczek-Khinchine: rho / (2 (1 - rho))
    assert exact.mdc_mean_wait(3.2, 4) == pytest.approx(queueing.mdc_mean_wait(0.8, 4), rel=0.01)  # Cosmetatos: to 1 %
    assert exact.batching_means(2.0, 0.2, 1.0, 8)[:2] == pytest.approx((2.7810, 3.406), abs=1e-3)
    assert exact.batching_means(2.8, 0.2, 1.0, 8)[:2] == pytest.approx((4.5746, 6.372), abs=1e-3)
    assert exact.batching_means(1.5, 0.2, 1.0, 4)[0] == pytest.approx(2.4637, abs=1e-3)
    assert exact.batching_means(2.0, 0.2, 1.0, 1000)[0] == pytest.approx(2.7719, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 4])
def test_mean_wait_of_md1_and_md4(servers):
    # At this load the mean of so many waits scatters by 0.6 % (one server) and 1 % (four); at 0.8 by twice that.
    rho = 0.6
    system = SimulatedSystem(stages=(ONE_MS,), replicas=servers, dispatch=QUEUE)
    outcome = simulate(system, Poisson(rate_rps=rho * servers * PER_S), 250_000, seed=0)
    assert outcome.waits_ms.mean() == pytest.approx(exact.mdc_mean_wait(rho * servers, servers), rel=0.02)
    assert outcome.throughput_rps == pytest.approx(rho * servers * PER_S, rel=0.01)
    assert outcome.busy_share == pytest.approx(rho, rel=0.01)


@pytest.mark.slow
def test_mean_wait_and_batch_of_the_batching_chain():
    system = SimulatedSystem(stages=(ServiceTime(slope_ms=0.2, base_ms=1.0),), batch_size=8)
    outcome = simulate(system, Poisson(rate_rps=2.0 * PER_S), 200_000, seed=2)
    response, rows, wait = exact.batching_means(2.0, 0.2, 1.0, 8)
    assert outcome.responses_ms.mean() == pytest.approx(response, rel=0.02)
    assert outcome.waits_ms.mean() == pytest.approx(wait, rel=0.02)
    assert outcome.batch_sizes.mean() == pytest.approx(rows, rel=0.02)


@pytest.mark.slow
def test_a_queue_for_all_waits_less_than_a_queue_each():
    arrivals = Poisson(rate_rps=3.2 * PER_S)
    shared = simulate(SimulatedSystem(stages=(ONE_MS,), replicas=4, dispatch=QUEUE), arrivals, 40_000, seed=3)
    each = simulate(SimulatedSystem(stages=(ONE_MS,), replicas=4, connections=100_000), arrivals, 40_000, seed=3)
    # Exactly 2.0 against 0.383: four M/D/1 at rho 0.8 against one M/D/4.
    assert each.waits_ms.mean() > 3 * shared.waits_ms.mean()


def test_a_full_pipeline_goes_at_the_pace_of_its_longest_stage():
    stages = (ServiceTime(slope_ms=0.0, base_ms=2.0), ServiceTime(slope_ms=0.0, base_ms=3.0))
    outcome = simulate(SimulatedSystem(stages=stages), Closed(users=8), 2_000, seed=1)
    assert outcome.throughput_rps == pytest.approx(PER_S / 3.0, rel=0.01)
    assert outcome.busy_share == pytest.approx((2 + 3) / (2 * 3), rel=0.01)


def test_one_user_sees_the_sum_of_all_parts():
    stages = (ServiceTime(slope_ms=0.5, base_ms=2.0), ServiceTime(slope_ms=0.0, base_ms=3.0))
    system = SimulatedSystem(stages=stages, request_ms=0.25, travel_ms=1.0, batch_size=4)
    outcome = simulate(system, Closed(users=1), 100, seed=1)
    assert outcome.responses_ms == pytest.approx(1.0 + 0.25 + 2.5 + 3.0)
    assert outcome.throughput_rps == pytest.approx(PER_S / 6.75)


def test_an_incomplete_batch_waits_for_company_and_a_full_one_does_not():
    system = SimulatedSystem(stages=(ONE_MS,), batch_size=4, batch_wait_ms=5.0)
    lonely = simulate(system, Closed(users=3), 90, seed=1)
    assert lonely.responses_ms == pytest.approx(6.0)
    full = simulate(system, Closed(users=4), 90, seed=1)
    assert full.responses_ms == pytest.approx(1.0)
    assert set(full.batch_sizes) == {4}


def test_the_process_that_listens_limits_what_is_behind_it():
    system = SimulatedSystem(stages=(ONE_MS,), replicas=100, dispatch=QUEUE, request_ms=0.1)
    outcome = simulate(system, Closed(users=400), 20_000, seed=1)
    assert outcome.throughput_rps == pytest.approx(10 * PER_S, rel=0.01), "1 / 0.1 ms, whatever is behind it"
    behind_a_port = SimulatedSystem(stages=(ONE_MS,), replicas=100, request_ms=0.1)
    assert simulate(behind_a_port, Closed(users=400), 20_000, seed=1).throughput_rps > 5 * outcome.throughput_rps


def test_service_times_vary_as_they_were_measured():
    varying = ServiceTime(slope_ms=0.0, base_ms=2.0, factors=np.array([0.5, 0.5, 0.5, 2.5]))
    outcome = simulate(SimulatedSystem(stages=(varying,)), Constant(rate_rps=100), 4_000, seed=1)
    assert set(np.round(outcome.responses_ms, 9)) == {1.0, 5.0}
    assert outcome.responses_ms.mean() == pytest.approx(2.0, rel=0.05)


@pytest.mark.timeout(30)
def test_a_rate_that_can_never_be_answered_ends_and_gives_what_the_server_can():
    system = SimulatedSystem(stages=(ServiceTime(slope_ms=0.2, base_ms=1.0),), batch_size=8)
    outcome = simulate(system, Poisson(rate_rps=1000 * PER_S), 2_000, seed=4)
    assert outcome.throughput_rps == pytest.approx(8 / 2.6 * PER_S, rel=0.2)  # full batches: 0.2 * 8 + 1 ms each
    assert outcome.batch_sizes.mean() == pytest.approx(8, rel=0.01)
