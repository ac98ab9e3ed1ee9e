"""Metrics against tables small enough to work out by hand, and against queues whose truth is known."""

from __future__ import annotations

import heapq

import msgspec
import numpy as np
import pytest
import queueing
from answers_of import point_of
from evidence_of import (
    MS,
    START,
    S,
    closed_loop,
    evidence_of,
    report_of,
    rows_of,
    samples_of,
    summarise_point,
    summarise_run,
    summarise_trial,
)

from harness.judge.findings import Verdict
from harness.judge.run_result import Recommendation
from harness.judge.run_summary import run_verdict
from harness.plan.arrivals import Closed, Poisson
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.plan.slo import parse_slo
from harness.record.model_card import ModelCard
from harness.record.rows import ABSENT, Outcome, Phase


def ten_rows(**columns):
    """Due every 100 ms in one second; response 10, 20, ... 100 ms."""
    return rows_of(START + np.arange(10) * 100 * MS, np.arange(1, 11) * 10 * MS, **columns)


def small(rows, slo=None, **changes):
    return summarise_trial(evidence_of(rows, seconds=1.0, **changes), slo)


def test_ten_rows_by_hand():
    # In an order without dependence: ascending ones would be worth three independent requests, too few for a median.
    response_ns = np.array([10, 60, 20, 70, 30, 80, 40, 90, 50, 100]) * MS
    trial = small(rows_of(START + np.arange(10) * 100 * MS, response_ns, lateness_ns=4 * MS))
    assert (trial.counts.scheduled, trial.counts.sent, trial.counts.ok, trial.counts.checked) == (10, 10, 10, 10)
    assert trial.seconds == 1.0
    # The last answer comes 900 + 100 ms after the start, which is no longer inside.
    assert trial.throughput_rps.value == 9.0
    assert (trial.response.count, trial.response.mean_ms, trial.response.max_ms) == (10, 55.0, 100.0)
    assert trial.response.at(0.5).value_ms == 50.0  # the 5th of 10
    assert trial.service.at(0.5).value_ms == 46.0
    assert trial.lateness.at(0.5).value_ms == 4.0
    assert trial.in_flight_mean == pytest.approx(9.0 * 0.055)
    p99 = trial.response.at(0.99)
    assert (p99.value_ms, p99.high_ms) == (100.0, None)  # the 10th of 10 was observed; what is beyond is not known
    assert p99.needed > 500  # six clusters beyond it, at 1 in 100


def test_only_the_measure_phase_counts():
    phases = [Phase.WARMUP] * 3 + [Phase.MEASURE] * 6 + [Phase.DRAIN]
    rows = ten_rows(phase=phases)
    trial = small(
        rows, reports=(report_of(rows, 0.6, measure_start_ns=START + 300 * MS, measure_end_ns=START + 900 * MS),)
    )
    assert trial.counts.ok == 6
    assert trial.response.mean_ms == pytest.approx(65.0)
    # Within [300, 900) ms came the answers due at 300, ..., 800 ms except the last (880 + 10 = 890: inside as well).
    assert trial.throughput_rps.value == pytest.approx(6 / 0.6)


def test_answers_to_warm_up_requests_count_for_throughput_when_they_come_in_the_window():
    rows = rows_of([START - 50 * MS, START], [60 * MS, 10 * MS], phase=[Phase.WARMUP, Phase.MEASURE])
    assert small(rows).throughput_rps.value == 2.0


def test_failures_are_counted_and_not_timed():
    outcomes = [Outcome.OK] * 6 + [Outcome.ERROR, Outcome.REJECTED, Outcome.WRONG, Outcome.NOT_SENT]
    trial = small(ten_rows(outcome=outcomes))
    counts = trial.counts
    assert (counts.scheduled, counts.sent, counts.not_sent) == (10, 9, 1)
    assert (counts.ok, counts.error, counts.rejected, counts.wrong) == (6, 1, 1, 1)
    assert trial.response.count == 6
    assert trial.response.max_ms == 60.0


def test_open_requests_count_as_at_least_their_age():
    rng = np.random.default_rng(1)
    response_ns = rng.integers(5 * MS, 15 * MS, 10_000)
    outcome = np.full(10_000, Outcome.OK)
    outcome[::50] = Outcome.TIMEOUT  # two in a hundred never came, and were waited for two seconds
    response_ns[::50] = 2000 * MS
    rows = rows_of(START + np.arange(10_000) * MS, response_ns, outcome=outcome)
    response = summarise_trial(evidence_of(rows), None).response
    assert response.count == 10_000
    assert response.at(0.5).at_least is False
    assert response.at(0.95).high_ms < 17.5  # 14.7, and what one run differs by from the next
    p99 = response.at(0.99)
    assert (p99.value_ms, p99.high_ms, p99.at_least) == (2000.0, None, True)


def test_a_request_given_up_early_may_be_the_slowest_of_all():
    # 3 % were given up after 1 ms: nobody knows how long they would have taken, so p99 is unbounded above.
    outcome = np.where(np.arange(10_000) % 33 == 0, Outcome.ABORTED, Outcome.OK)
    response_ns = np.where(outcome == Outcome.OK, 10 * MS, MS)
    response = summarise_trial(
        evidence_of(rows_of(START + np.arange(10_000) * MS, response_ns, outcome=outcome)), None
    ).response
    p99 = response.at(0.99)
    assert (p99.value_ms, p99.high_ms, p99.at_least) == (10.0, None, True)
    assert response.at(0.5).at_least is False


def test_the_split_sums_to_the_mean():
    trial = small(
        ten_rows(
            lateness_ns=2 * MS,
            queue_ns=3 * MS,
            batch_wait_ns=1 * MS,
            compute_ns=[5 * MS] * 5 + [ABSENT] * 5,
            batch_size=4,
        )
    )
    split = trial.split
    assert (split.send_ms, split.queue_ms, split.batch_wait_ms, split.compute_ms) == (2, 3, 1, 5)
    assert (split.preprocess_ms, split.serialise_ms) == (None, None)
    assert split.rest_ms == pytest.approx(55 - 11)


def test_what_a_busy_load_process_adds_is_a_part_of_its_own():
    # Every other response tells how long it lay in the kernel: 4 ms on average, of a rest of 55 - 10.
    waited = [4 * MS if number % 2 else ABSENT for number in range(10)]
    split = small(ten_rows(compute_ns=10 * MS, read_wait_ns=waited)).split
    assert (split.read_ms, split.rest_ms) == (4.0, pytest.approx(55 - 10 - 4))
    parts = [split.send_ms, split.compute_ms, split.read_ms, split.rest_ms]
    assert sum(parts) == pytest.approx(55)
    nothing = small(ten_rows(compute_ns=10 * MS)).split
    assert nothing.read_ms is None
    # What some connections tell is never more than there is room for.
    assert small(ten_rows(compute_ns=54 * MS, read_wait_ns=waited)).split.rest_ms == pytest.approx(0.0)


def test_the_way_to_the_server_is_a_part_where_both_share_a_clock():
    sent_ns = START + np.arange(10) * 100 * MS + 2 * MS
    split = small(ten_rows(lateness_ns=2 * MS, compute_ns=10 * MS, queued_at_ns=sent_ns + 3 * MS)).split
    assert (split.send_ms, split.reach_ms, split.rest_ms) == (2.0, 3.0, pytest.approx(55 - 2 - 10 - 3))
    assert sum((split.send_ms, split.reach_ms, split.compute_ms, split.rest_ms)) == pytest.approx(55)
    other = small(ten_rows(lateness_ns=2 * MS, compute_ns=10 * MS, queued_at_ns=sent_ns + 300 * MS)).split
    assert other.reach_ms is None  # the clock of another machine


def test_mean_batch_is_by_batches_not_by_requests():
    # Four requests in one batch of four, six in batches of one: ten requests in seven batches.
    assert small(ten_rows(batch_size=[4] * 4 + [1] * 6)).mean_batch == pytest.approx(10 / 7)
    assert small(ten_rows()).mean_batch is None


def test_goodput_counts_what_kept_the_limit():
    point = summarise_point(
        Point(number=0, setting={}, arrivals=Closed(users=1)),
        [evidence_of(ten_rows(), seconds=1.0)],
        parse_slo("p99<55ms"),
    )
    assert point.goodput_rps.value == 5.0
    assert point.throughput_rps.value == 9.0


def test_usage_by_hand():
    samples = samples_of(
        {
            # One core and a half over the window; the steps outside it must not count.
            ("target", "cpu_s"): [(-1, 0.0), (0, 50.0), (1, 51.5), (2, 53.0), (3, 99.0)],
            # The counter starts again after 1 s: 4 + 2 switches in 1.5 s.
            ("target", "context_switches"): [(0, 10), (0.5, 14), (1, 0), (1.5, 2)],
            ("target", "rss_bytes"): [(0, 1e6), (1, 3e6), (5, 9e9)],
            ("cpu0", "cpu_percent"): [(0.5, 20), (1.5, 40)],
            ("cpu1", "cpu_percent"): [(0.5, 100)],
            ("machine", "steal_s"): [(0, 1.0), (1, 1.1)],
            ("memory", "access_ns"): [(0.2, 30.0), (0.3, 900.0), (0.4, 31.0), (5, 99.0)],
            ("gpu0", "power_w"): [(1, 200)],
            ("gpu1", "power_w"): [(1, 100)],
            # 200 J in the second between two readings: 400 J in the window of 2 s.
            ("gpu0", "energy_j"): [(0.5, 1000), (1.5, 1200)],
            ("packages", "energy_j"): [(0, 10), (1, 70)],
        }
    )
    rows = rows_of(START + np.arange(20) * 100 * MS, np.full(20, MS))
    usage = summarise_trial(evidence_of(rows, seconds=2.0, samples=samples), None).usage
    assert usage.cpu_target_cores == pytest.approx(1.5)
    assert usage.context_switches_per_s == pytest.approx(4.0)
    assert usage.rss_target_mb == 2.0
    assert usage.cpu_machine_percent == (30.0, 100.0)
    assert usage.steal_percent == pytest.approx(5.0)
    assert usage.memory_access_ns == 31.0
    assert usage.gpu_power_w == 300.0
    assert (usage.gpu_energy_j, usage.package_energy_j) == (pytest.approx(400.0), pytest.approx(120.0))
    assert (usage.cpu_load_cores, usage.gpu_memory_mb) == (None, None)


def test_timeline_by_hand():
    # 60 s: bins of 1 s. 200 requests/s, 5 ms in the first half and 8 ms in the second; one error each second.
    due_ns = START + np.arange(12_000) * 5 * MS
    response_ns = np.where(np.arange(12_000) < 6000, 5 * MS - 1, 8 * MS)
    outcome = np.where(np.arange(12_000) % 200 == 100, Outcome.ERROR, Outcome.OK)
    samples = samples_of({("target", "cpu_s"): [(t, 0.5 * t) for t in range(0, 61, 2)]})
    line = summarise_trial(
        evidence_of(rows_of(due_ns, response_ns, outcome=outcome), seconds=60.0, samples=samples), None
    ).timeline
    assert line.bin_s == 1.0
    assert (line.t_s[0], line.t_s[59]) == (0.5, 59.5)
    assert line.throughput_rps[10] == 199.0
    assert line.errors_rps[10] == 1.0
    assert (line.p50_ms[10], line.p99_ms[50]) == (pytest.approx(5.0, abs=1e-3), 8.0)
    assert line.p50_ms[-1] is None or line.throughput_rps[-1] > 0
    assert line.cpu_target_cores[10] == pytest.approx(0.5)
    assert line.cpu_load_cores == ()
    assert {len(column) for column in (line.t_s, line.throughput_rps, line.p50_ms, line.p99_ms, line.errors_rps)} == {
        len(line.t_s)
    }
    assert sum(line.throughput_rps) + sum(line.errors_rps) == 12_000


def test_a_thin_bin_has_no_p99():
    line = summarise_trial(evidence_of(closed_loop(seconds=10)), None).timeline
    assert all(value is None for value in line.p99_ms)  # 10 answers per bin of 0.1 s
    assert any(value is not None for value in line.p50_ms)


def test_repeats_are_put_together_row_by_row():
    # 95 % of one repeat at 10 ms and a hot repeat at 100 ms: p99 of all rows is not the mean of the two.
    slow = rows_of(START + np.arange(500) * 20 * MS, np.full(500, 100 * MS))
    fast = rows_of(START + np.arange(9_500) * MS, np.full(9_500, 10 * MS))
    point = summarise_point(
        Point(number=3, setting={"batch_size": 4}, arrivals=Closed(users=8)),
        [evidence_of(fast), evidence_of(slow, repeat=1)],
        None,
    )
    assert (point.point, point.concurrency, point.repeats, point.seconds) == (3, 8, 2, 20.0)
    assert point.counts.ok == 10_000
    assert point.response.at(0.9).value_ms == 10.0
    assert point.response.at(0.99).value_ms == 100.0
    assert point.response.mean_ms == pytest.approx(14.5)
    assert "repeats_disagree" in {finding.kind for finding in point.findings}


def test_two_shards_are_one_trial():
    import pyarrow as pa

    halves = [ten_rows(), rows_of(START + 50 * MS + np.arange(10) * 100 * MS, np.full(10, 5 * MS), worker=1)]
    rows = pa.concat_tables(halves)
    reports = tuple(report_of(rows, 1.0, worker=worker) for worker in (0, 1))
    trial = small(rows, reports=reports, load_processes=2)
    assert trial.counts.ok == 20
    assert trial.response.mean_ms == pytest.approx(30.0)


@pytest.mark.parametrize("fixed_service", [True, False])
def test_a_simulated_queue_is_measured_right(fixed_service):
    """Open loop at utilisation 0.8, mean service 1 ms: rows in, the analytic figures out, inside their intervals."""
    rng = np.random.default_rng(5)
    response_ms = queueing.simulate_single_server(rng, 1, 100_000, 0.8, fixed_service=fixed_service)[0]
    due_ns = START + np.cumsum(rng.exponential(1 / 800, 100_000) * S).astype(np.int64)
    rows = rows_of(due_ns, (response_ms * MS).astype(np.int64))
    seconds = (due_ns[-1] - START) / S
    trial = summarise_trial(evidence_of(rows, seconds=seconds, arrivals=Poisson(rate_rps=800.0)), None)
    quantile = queueing.md1_response_quantile if fixed_service else queueing.mm1_response_quantile
    for p in (0.5, 0.99):
        found = trial.response.at(p)
        assert found.low_ms <= quantile(0.8, p) <= found.high_ms
    assert trial.throughput_rps.low <= 800 <= trial.throughput_rps.high
    mean_ms = queueing.md1_mean_response(0.8) if fixed_service else queueing.mm1_mean_response(0.8)
    assert trial.response.mean_ms == pytest.approx(mean_ms, rel=0.08)
    assert trial.verdict is Verdict.VALID


def closed_network(rng, users, demand_s, think_s, seconds):
    """(due, response) in seconds of `users` users at one exponential server, first come first served."""
    arrivals = [(rng.exponential(think_s), user) for user in range(users)]
    heapq.heapify(arrivals)
    free_s, rows = 0.0, []
    while arrivals[0][0] < seconds:
        due_s, user = heapq.heappop(arrivals)
        free_s = max(free_s, due_s) + rng.exponential(demand_s)
        rows.append((due_s, free_s - due_s))
        heapq.heappush(arrivals, (free_s + rng.exponential(think_s), user))
    return np.array(rows).T


def test_a_closed_loop_agrees_with_mean_value_analysis():
    due_s, response_s = closed_network(np.random.default_rng(7), 10, 0.1, 0.9, 2000.0)
    rows = rows_of(START + (due_s * S).astype(np.int64), (response_s * S).astype(np.int64))
    evidence = evidence_of(rows, seconds=2000.0, arrivals=Closed(users=10, think_time_s=0.9))
    trial = summarise_trial(evidence, None)
    throughput_rps, mean_s = queueing.closed_throughput(10, 0.1, 0.9)
    assert trial.throughput_rps.low <= throughput_rps <= trial.throughput_rps.high
    assert trial.response.mean_ms == pytest.approx(1000 * mean_s, rel=0.05)
    assert "littles_law" not in {finding.kind for finding in trial.findings}


def plan_of(points, trials):
    return Plan(
        name="t",
        target="fixed",
        scenario="s",
        model="m",
        points=points,
        trials=trials,
        load=LoadSettings(warmup_s=1, measure_s=10),
        repeats=2,
        seed=1,
    )


def test_a_run():
    point = Point(number=0, setting={"batch_size": 1}, arrivals=Closed(users=1))
    trials = tuple(Trial(number=n, point=0, repeat=n, seed=n) for n in range(2))
    model = ModelCard(name="m")
    result = summarise_run(plan_of((point,), trials), [evidence_of(closed_loop())], model)
    assert [metrics.point for metrics in result.points] == [0]
    assert result.missing == ("batch_size=1-users=1, repeat 2: not measured",)
    assert result.model is model
    assert "batch_size=1 gives the highest throughput: 100" in result.recommendation.sentence
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


def test_a_run_of_which_nothing_is_left():
    result = summarise_run(plan_of((), ()), [])
    assert (result.points, result.verdict) == ((), Verdict.INVALID)


def test_a_trial_of_which_nothing_is_left():
    trial = summarise_trial(
        evidence_of(None, reports=(), failure="the load process ended with exit code 2: boom"), None
    )
    assert trial.verdict is Verdict.INVALID
    assert "load_died" in {finding.kind for finding in trial.findings}
    assert "boom" in trial.findings[0].text


def test_an_empty_table_is_nothing_measured():
    trial = summarise_trial(evidence_of(ten_rows().slice(0, 0), seconds=1.0), None)
    assert (trial.verdict, trial.seconds, trial.response.count) == (Verdict.INVALID, 0.0, 0)
    assert "short_window" in {finding.kind for finding in trial.findings}
    rows = ten_rows().slice(0, 0)
    crashed = msgspec.structs.replace(report_of(rows, 1.0), task_errors={"ZeroDivisionError (crash.py:8)": 4})
    trial = summarise_trial(evidence_of(rows, reports=(crashed,), seconds=1.0), None)
    (short,) = [finding for finding in trial.findings if finding.kind == "short_window"]
    assert short.text.endswith("users raised ZeroDivisionError (crash.py:8).")


def test_only_errors():
    trial = small(ten_rows(outcome=Outcome.ERROR))
    assert (trial.throughput_rps.value, trial.response.count, trial.response.mean_ms) == (0.0, 0, None)
    assert "errors" in {finding.kind for finding in trial.findings}
    point = summarise_point(
        Point(number=0, setting={}, arrivals=Closed(users=1)), [evidence_of(ten_rows(outcome=Outcome.ERROR))], None
    )
    assert (point.verdict, point.response.quantiles) == (Verdict.INVALID, ())


@pytest.mark.slow
def test_a_million_rows_are_no_loop_over_rows():
    from harness.clock import cpu_ns

    rng = np.random.default_rng(0)
    response_ns = rng.gamma(5, MS, 1_000_000).astype(np.int64) + MS
    rows = rows_of(START + np.arange(1_000_000) * 10_000, response_ns, batch_size=4, compute_ns=1000)
    evidence = evidence_of(rows)
    before_ns = cpu_ns()
    summarise_trial(evidence, None)
    # Against a loop of plain Python over as many rows, of which one per row would show.
    taken_ns = cpu_ns() - before_ns
    before_ns = cpu_ns()
    sum(value for value in response_ns.tolist() if value > MS)
    assert taken_ns < 100 * (cpu_ns() - before_ns)


@pytest.mark.parametrize(
    ("best", "verdicts", "expected"),
    [
        (0, "VALID VALID", "VALID"),
        (0, "VALID DEGRADED", "VALID"),  # the doubtful point is neither the answer nor what it is compared with
        (1, "VALID DEGRADED", "DEGRADED"),
        (0, "VALID INVALID", "DEGRADED"),  # what was left out might have been better
        (None, "VALID DEGRADED", "DEGRADED"),  # no answer: every point counts
        (None, "INVALID INVALID", "INVALID"),
        (None, "", "INVALID"),
    ],
)
def test_a_runs_verdict_is_that_of_its_answer(best, verdicts, expected):
    points = [
        msgspec.structs.replace(point_of(number=number), verdict=Verdict(word))
        for number, word in enumerate(verdicts.split())
    ]
    assert run_verdict(Recommendation(sentence="", best_point=best), points) == expected
