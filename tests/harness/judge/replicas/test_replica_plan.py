"""How many replicas a rate needs: against simulated servers whose true behaviour is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UserError
from harness.judge.findings import Verdict
from harness.judge.replicas.no_replica_plan import NoReplicaPlan, none_keeps
from harness.judge.replicas.replica_model import BatchModel, CurveModel, HeldOut, Rate, RateModel, TailRange
from harness.judge.replicas.replica_plan import (
    Demand,
    ReplicaPlan,
    _batch_models,
    _limit_known,
    _search,
    _too_far,
    plan_replicas,
)
from harness.judge.replicas.replica_sentences import replica_sentences
from harness.judge.replicas.user_curve import Level, UserCurve, fit_curve
from harness.judge.simulation.fit import BatchTrial
from harness.judge.simulation.service_time import ServiceTime
from harness.judge.simulation.simulated_run import simulate
from harness.judge.simulation.system import SimulatedSystem
from harness.plan.arrivals import Closed, Constant, Poisson
from harness.plan.plan import Plan, Point
from harness.plan.slo import parse_slo

SHARES = (0.4, 0.75)
USERS = (1, 8, 32, 128)
SERVERS = 4  # `bench_plan` judges more of them


def server(number):
    """A batching server with a service time of its own: base and slope in ms, lognormal variation, largest batch."""
    rng = np.random.default_rng(number)
    factors = rng.lognormal(0, rng.uniform(0.05, 0.6), 2000)
    service = ServiceTime(
        slope_ms=float(10 ** rng.uniform(-1.5, 0)),
        base_ms=float(10 ** rng.uniform(-0.3, 0.8)),
        factors=factors / factors.mean(),
    )
    return SimulatedSystem(stages=(service,), batch_size=int(rng.choice([4, 16, 32])), request_ms=0.05, travel_ms=0.1)


def measured(system, users, number, batch_size, seed):
    """What a closed-loop trial of the server leaves: its batches, and the figures of its requests."""
    system = SimulatedSystem(
        stages=system.stages, batch_size=batch_size, request_ms=system.request_ms, travel_ms=system.travel_ms
    )
    outcome = simulate(system, Closed(users=users), 6000, seed)
    rng = np.random.default_rng(seed)
    (service,) = system.stages
    times = [service.mean_ms(int(rows)) * rng.choice(service.factors) for rows in outcome.batch_sizes]
    return BatchTrial(
        point=Point(number=number, setting={"batch_size": batch_size}, arrivals=Closed(users=users)),
        rows=outcome.batch_sizes,
        times_ms=np.array(times),
        throughput_rps=outcome.throughput_rps,
        wait_ms=float(outcome.waits_ms.mean()),
        response_ms=float(outcome.responses_ms.mean()),
        responses_ms=np.sort(outcome.responses_ms),
        batching={"batch_size": batch_size, "batch_wait_ms": 0.0},
    )


def true_p99_ms(system, rate_rps):
    return float(np.quantile(simulate(system, Poisson(rate_rps=rate_rps), 30_000, 99).responses_ms, 0.99))


def as_model(system, number):
    sizes = sorted({1, system.batch_size})
    trials = [
        measured(system, users, point, size, 10 * number + point)
        for point, (size, users) in enumerate((size, users) for size in sizes for users in (1, 16, 64))
    ]
    own = {"batch_size": system.batch_size}
    return BatchModel(own, own, trials, 0.99, seed=number)


@pytest.mark.slow
def test_the_range_by_batches_holds_the_truth_in_all_servers_but_one():
    held = 0
    for number in range(SERVERS):
        system = server(number)
        model = as_model(system, number)
        tails = [
            (model.tail(share * model.most_rps, 0.99), true_p99_ms(system, share * model.most_rps)) for share in SHARES
        ]
        held += all(tail.low_ms <= truth <= tail.high_ms for tail, truth in tails)
        assert len(model.held_out) >= 5
        assert not _too_far(model)
    assert held >= SERVERS - 1


@pytest.mark.slow
def test_the_range_by_users_holds_the_truth_in_all_servers_but_one():
    held = 0
    for number in range(SERVERS):
        system = server(number)
        found = [simulate(system, Closed(users=users), 6000, number) for users in USERS]
        levels = [
            Level(users, each.throughput_rps, float(np.quantile(each.responses_ms, 0.99)))
            for users, each in zip(USERS, found, strict=True)
        ]
        model = CurveModel({}, levels, 0.99, seed=number)
        tails = [
            (model.tail(share * model.most_rps, 0.99), true_p99_ms(system, share * model.most_rps)) for share in SHARES
        ]
        held += all(0.95 * tail.low_ms <= truth <= 1.05 * tail.high_ms for tail, truth in tails)
    assert held >= SERVERS - 1


@pytest.mark.slow
def test_the_number_of_replicas_keeps_the_limit_and_is_not_twice_what_is_needed():
    system = server(3)
    model = as_model(system, 3)
    limit_ms = 3 * true_p99_ms(system, 0.3 * model.most_rps)
    found = _search(model, Demand(12 * model.most_rps, parse_slo(f"p99<{limit_ms:.3f}ms")))
    assert true_p99_ms(system, found.rate_rps / found.replicas) <= limit_ms
    needed = next(n for n in range(12, 40) if 12 / n < 0.97 and true_p99_ms(system, found.rate_rps / n) <= limit_ms)
    assert needed <= found.replicas < 2 * needed
    assert found.used == pytest.approx(12 / found.replicas)
    assert found.survivors == found.replicas + 1


def test_a_curve_of_one_exponential_server_is_m_m_1():
    # X(n) = 100/s for every n: an M/M/1 queue of 100/s. Its response time is exponential with mean 1 / (100 - 50) s,
    # so p99 = ln(100) / 50 s = 92.1 ms. With n users its p99 is the quantile of Erlang(n); for 1: 46.05 ms.
    levels = [Level(users, 100.0, tail) for users, tail in ((1, 46.05), (4, 100.45), (16, 267.4))]
    curve = fit_curve(levels, 0.99)
    assert curve.variation == pytest.approx(1.0, rel=0.2)
    responses = curve.responses_ms(50.0, 60_000, seed=1)
    assert np.quantile(responses, 0.99) == pytest.approx(92.1, rel=0.15)
    assert responses.mean() == pytest.approx(20, rel=0.1)


def rates(*pairs):
    return [Rate(rate, TailRange(0.9 * tail, 1.1 * tail)) for rate, tail in pairs]


def test_measured_rates_are_read_off_and_nothing_is_said_beyond_them():
    # 600/s is the highest rate whose interval (up to 22 ms) keeps 25 ms; 0.95 of 800 is more than that.
    model = RateModel({}, rates((200, 10), (400, 14), (600, 20), (800, 60)))
    found = _search(model, Demand(5000, parse_slo("p99<25ms")))
    assert found.replicas == 9  # 5000 / 600 = 8.3
    assert (found.low_ms, found.high_ms) == (18.0, 22.0)
    assert found.beyond < 1
    assert found.one_lost_ms == (54.0, 66.0)  # 625 each: as at 800
    assert found.saturated is found.fewer_may_do is False  # the limit decides, not how much was tried
    assert _search(model, Demand(5000, parse_slo("p99<5ms"))) == TailRange(9.0, 11.0)  # at the lowest rate


def test_where_no_rate_was_too_high_the_answer_says_that_fewer_may_do():
    # 5000 / (0.95 x 200) = 26.3; with 27 each has 185/s, and with 26 more than 190/s.
    found = _search(RateModel({}, rates((50, 10), (100, 10.5), (200, 11))), Demand(5000, parse_slo("p99<25ms")))
    assert (found.replicas, found.saturated, found.fewer_may_do) == (27, False, True)
    first, second, third, *_ = (text.replace("\u202f", " ") for text in replica_sentences(found, cores=None))
    assert first == (
        "27 replicas keep p99 ≤ 25 ms at 5 000 req/s: p99 9.9 ms to 12 ms, 93 % of the highest rate that was measured "
        "of one."
    )
    assert second == "No more was tried of one: if it can do more, fewer are enough."
    assert third == "If one is lost, it is not known how the others do; 28 survive the loss of one."


def test_a_curve_is_saturated_where_half_of_the_users_have_almost_its_highest_throughput():
    assert not UserCurve((1, 2, 4), (100.0, 200.0, 390.0)).saturated
    assert UserCurve((1, 2, 4), (100.0, 190.0, 200.0)).saturated
    assert UserCurve((1, 8, 32), (100.0, 500.0, 400.0)).saturated
    assert not UserCurve((60, 62, 64), (6000.0, 6200.0, 6400.0)).saturated  # 32 users: 3200/s


def test_a_rate_without_poisson_arrivals_says_nothing_of_arrivals_at_random():
    from example_runs import open_loop

    report, demand = open_loop(), Demand(20_000, parse_slo("p99<80ms"))
    found = plan_replicas(report.plan, report.result, [], demand)
    assert isinstance(found, ReplicaPlan)
    assert found.source == RateModel.source
    evenly = tuple(
        _replaced(point, arrivals=Constant(rate_rps=point.arrivals.rate_rps)) for point in report.plan.points
    )
    refused = plan_replicas(_replaced(report.plan, points=evenly), report.result, [], demand)
    assert "three rates of Poisson arrivals" in refused.reason
    assert "`sweep concurrency=1,8,32,128`" in refused.reason


def test_a_limit_that_none_keeps_is_told_from_one_that_some_may_keep():
    bound = parse_slo("p99<5ms").bounds[0]
    none = none_keeps(bound, [TailRange(9.0, 14.0), TailRange(7.0, 11.0)], lowest=True)
    assert none.never
    assert none.reason.replace("\u202f", " ") == (
        "No setting that can be predicted keeps p99 ≤ 5 ms, however many replicas share the rate: p99 is 7 ms at least."
    )
    lower_rates_may = none_keeps(bound, [TailRange(7.0, 11.0)], lowest=False)
    may_be_below = none_keeps(bound, [TailRange(9.0, 14.0), TailRange(4.0, 7.0)], lowest=True)
    assert lower_rates_may.never is may_be_below.never is False
    assert may_be_below.reason.replace("\u202f", " ") == (
        "No setting keeps p99 ≤ 5 ms for sure: at the lowest load that can be predicted, p99 is 4 ms to 7 ms. "
        "Measure longer, and lower rates or fewer users."
    )


def test_users_from_one_on_show_that_no_number_keeps_a_limit():
    from example_runs import sweep

    report = sweep()
    found = plan_replicas(report.plan, report.result, [], Demand(1000, parse_slo("p99<1us")))
    assert found.never
    more = _replaced(report.result, points=tuple(each for each in report.result.points if each.concurrency > 1))
    assert not plan_replicas(report.plan, more, [], Demand(1000, parse_slo("p99<1us"))).never


def trials_without_a_setting(users):
    """Trials of one server that makes batches of up to 32, whose user set nothing."""
    found = [measured(server(3), count, number, 32, number) for number, count in enumerate(users)]
    return [replace(each, point=_replaced(each.point, setting={})) for each in found]


@pytest.mark.slow
def test_batches_of_a_setting_that_names_none_are_those_of_the_targets_default():
    trials = trials_without_a_setting((1, 16, 64, 96))
    plan = Plan(target="batched", scenario="s.py", points=tuple(each.point for each in trials))
    (model,) = _batch_models(plan, trials, Demand(1000, parse_slo("p99<50ms")))
    assert max(abs(each.throughput) for each in model.held_out) < 0.1  # with batches of one it is several times less
    assert model.setting == {}


@pytest.mark.slow
def test_the_largest_batch_of_a_server_by_url_is_known_once_twice_as_many_users_came():
    trials = trials_without_a_setting((1, 63, 64))
    plan = Plan(target="http://127.0.0.1:8000", scenario="s.py", points=tuple(each.point for each in trials))
    assert _limit_known(plan, trials)
    assert not _limit_known(plan, trials[:2])
    assert list(_batch_models(plan, trials[:2], Demand(1000, parse_slo("p99<50ms")))) == []
    assert _limit_known(_replaced(plan, target="batched"), trials[:2])


def test_too_large_an_error_at_held_out_points_says_nothing():
    class Noisy:
        held_out = (HeldOut(0.5, 0.1), HeldOut(0.4, 0.1), HeldOut(0.0, 0.1))

    assert _too_far(Noisy())
    Noisy.held_out = (HeldOut(0.1, 0.1), HeldOut(0.4, 0.1), HeldOut(0.0, 0.1))
    assert not _too_far(Noisy())


def test_a_run_whose_points_are_invalid_says_nothing():
    from example_runs import sweep

    report = sweep()
    broken = tuple(_replaced(point, verdict=Verdict.INVALID) for point in report.result.points)
    result = _replaced(report.result, points=broken)
    found = plan_replicas(report.plan, result, [], Demand(1000, parse_slo("p99<50ms")))
    assert isinstance(found, NoReplicaPlan)
    assert found.reason.startswith("Every point is INVALID: ")


def test_an_own_servers_curve_gives_a_plan():
    from example_runs import sweep

    report = sweep()
    found = plan_replicas(report.plan, report.result, [], Demand(20_000, parse_slo("p99<80ms")))
    assert isinstance(found, ReplicaPlan)
    text = " ".join(replica_sentences(found, cores=1))
    assert f"{found.replicas} replica" in text
    assert "how it batches is not known" in text
    vague = _replaced(found, low_ms=0.07, high_ms=26.0)
    assert "req/s: p99 at most 26\u202fms" in next(replica_sentences(vague, cores=1))


def test_a_limit_that_is_no_percentile_is_refused():
    with pytest.raises(UserError, match="replicas are planned for one percentile"):
        Demand(10, parse_slo("mean<5ms")).bound.limit  # noqa: B018
    with pytest.raises(UserError, match="one percentile"):
        Demand(10, parse_slo("p99<5ms,errors<1%")).bound.limit  # noqa: B018


def _replaced(struct, **changes):
    import msgspec

    return msgspec.structs.replace(struct, **changes)
