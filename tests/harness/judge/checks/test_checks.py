"""Faults put into good evidence one at a time: each turns exactly the finding that is meant to see it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from answers_of import point_of, quantile_of, trial_of
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
    summarise_trial,
)

from harness.judge.checks import case, judge_point, machine, point
from harness.judge.checks.steadiness import UNSTEADY
from harness.judge.findings import Finding, Verdict
from harness.judge.metrics import Latency
from harness.plan.arrivals import Closed, Constant, Gamma, Poisson, Stage, Stages, Users, UserStage
from harness.plan.slo import parse_slo
from harness.record.load_report import BY_LOCUSTFILE, LoopHealth
from harness.record.machine.envelope import Envelope
from harness.record.rows import Outcome

V = Verdict
RATE = 1000.0


def found(evidence):
    """kind -> verdict of all findings."""
    return {finding.kind: finding.verdict for finding in summarise_trial(evidence, None).findings}


def open_loop(*, count=20_000, response_ms=5.0, seed=1, gaps_s=None, **columns):
    """A Poisson process at 1 000/s against a server without a queue."""
    rng = np.random.default_rng(seed)
    due_s = np.cumsum(rng.exponential(1 / RATE, count) if gaps_s is None else gaps_s)
    due_ns = START + (due_s[due_s < 15] * S).astype(np.int64)
    response_ns = rng.gamma(25, response_ms / 25 * MS, due_ns.size).astype(np.int64) + MS
    return rows_of(
        due_ns,
        response_ns,
        **{name: value[: due_ns.size] if np.ndim(value) else value for name, value in columns.items()},
    )


def open_evidence(rows, *, seconds=15.0, arrivals=None, **changes):
    return evidence_of(rows, seconds=seconds, arrivals=arrivals or Poisson(rate_rps=RATE), **changes)


def with_health(rows, seconds=10.0, **changes):
    health = LoopHealth(**{"cpu_ns": 2 * S, "wall_ns": 10 * S, "loop_lag_p99_ns": 10_000, **changes})
    return (report_of(rows, seconds, health=health),)


def test_good_evidence_has_no_finding():
    assert found(evidence_of(closed_loop())) == {}
    assert found(open_evidence(open_loop())) == {}
    gaps_s = np.random.default_rng(2).gamma(0.25, 4 / RATE, 20_000)
    assert found(open_evidence(open_loop(gaps_s=gaps_s), arrivals=Gamma(rate_rps=RATE, cv=2.0))) == {}
    # Bursts of hundreds of requests: in stretches of 50 they scatter less than a cv of 10 says, in such of 1,000 not.
    gaps_s = np.random.default_rng(3).gamma(0.01, 100 / RATE, 40_000)
    bursts = open_loop(gaps_s=gaps_s, count=40_000)
    assert "arrival_process" not in found(open_evidence(bursts, arrivals=Gamma(rate_rps=RATE, cv=10.0)))
    constant = open_loop(gaps_s=np.full(20_000, 1 / RATE))
    assert found(open_evidence(constant, arrivals=Constant(rate_rps=RATE))) == {}


ROWS = closed_loop()
REPORT = report_of(ROWS, 10.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduled": REPORT.scheduled + 1},
        {"sent": REPORT.sent - 1, "scheduled": REPORT.scheduled - 1},
        {"ok": REPORT.ok + 1, "sent": REPORT.sent + 1, "scheduled": REPORT.scheduled + 1},
        {"rows_written": REPORT.rows_written + 1},
        {"ok": REPORT.ok - 1, "error": 1},  # the sum is right and the kinds are not
    ],
)
def test_any_imbalance_is_a_conservation_fault(changes):
    assert found(evidence_of(ROWS, reports=(msgspec.structs.replace(REPORT, **changes),))) == {
        "conservation": V.INVALID
    }


def test_a_row_lost_or_doubled_on_disk_is_a_conservation_fault():
    for rows in (ROWS.slice(0, ROWS.num_rows - 1), pa.concat_tables([ROWS, ROWS.slice(5, 1)])):
        assert found(evidence_of(rows, reports=(REPORT,)))["conservation"] is V.INVALID


def test_a_recorder_that_failed():
    report = msgspec.structs.replace(REPORT, recorder_error="no space left on device")
    assert found(evidence_of(ROWS, reports=(report,))) == {"recorder": V.INVALID}


def test_a_worker_killed_and_one_that_never_wrote():
    snapshot = msgspec.structs.replace(REPORT, final=False, sent=REPORT.sent + 7, scheduled=REPORT.scheduled + 7)
    trial = summarise_trial(evidence_of(ROWS, reports=(snapshot,)), None)
    assert {finding.kind: finding.verdict for finding in trial.findings} == {"lost_worker": V.INVALID}
    assert trial.counts.unknown == 7
    assert trial.counts.sent == trial.counts.ok + trial.counts.unknown
    assert found(evidence_of(ROWS, load_processes=2)) == {"lost_worker": V.INVALID}


def test_a_test_that_the_locustfile_ended_itself_is_named():
    (shown,) = summarise_trial(
        evidence_of(ROWS, reports=(report_of(ROWS, 10.0, stop_reason=BY_LOCUSTFILE),)), None
    ).findings
    assert (shown.kind, shown.verdict) == ("load_died", V.DEGRADED)
    assert "The locustfile itself ended the test after 10.0 s" in shown.text


@pytest.mark.parametrize(
    ("changes", "kind", "verdict"),
    [
        ({"target_died": True}, "target_died", V.INVALID),
        ({"failure": "the load process ended with exit code 2"}, "load_died", V.INVALID),
        ({"failure": "interrupted"}, "interrupted", V.DEGRADED),
        ({"isolated": False}, "not_isolated", V.DEGRADED),
        ({"isolated": False, "in_process": True}, "not_isolated", V.VALID),
    ],
)
def test_what_the_trial_says_of_itself(changes, kind, verdict):
    assert found(evidence_of(ROWS, **changes)) == {kind: verdict}


def test_nothing_is_said_of_the_cores_of_a_server_that_was_not_started_here():
    assert found(evidence_of(ROWS, isolated=None)) == {}


def test_time_that_runs_backwards():
    early = np.zeros(ROWS.num_rows, dtype=np.int64)
    early[7] = -2 * MS
    assert found(evidence_of(closed_loop(lateness_ns=early))) == {"clock_step": V.INVALID}
    early[7] = -MS // 2  # within what a timer may be early
    assert found(evidence_of(closed_loop(lateness_ns=early))) == {}


@pytest.mark.parametrize(("lateness_ms", "verdict"), [(0.4, None), (0.55, V.DEGRADED), (0.9, V.INVALID)])
def test_lateness_against_a_median_response_of_6_ms(lateness_ms, verdict):
    # 7 % of the response, but no more than a timer's own error; 9 %; 15 %.
    rows = open_loop(lateness_ns=int(lateness_ms * MS))
    assert found(open_evidence(rows)) == ({"lateness": verdict} if verdict else {})


def test_a_few_very_late_requests_are_lateness_too():
    late_ns = np.where(np.arange(20_000) % 40 == 0, 1100_000, 0)  # 2.5 % are 1.1 ms late: 12 % of the p99
    assert found(open_evidence(open_loop(lateness_ns=late_ns))) == {"lateness": V.DEGRADED}


def test_a_block_of_200_ms_in_the_generator_is_seen():
    """A fault in the generator: it stands still for 200 ms of 15 s, and sends what was due when it wakes up."""
    rows = open_loop()
    due_ns = rows["due_ns"].to_numpy()
    stop_ns = START + 7 * S
    late_ns = np.where((due_ns >= stop_ns) & (due_ns < stop_ns + 200 * MS), stop_ns + 200 * MS - due_ns, 0)
    response_ns = rows["done_ns"].to_numpy() - due_ns + late_ns
    kinds = found(open_evidence(rows_of(due_ns, response_ns, lateness_ns=late_ns)))
    assert kinds["lateness"] is V.INVALID


@pytest.mark.parametrize(("share", "verdict"), [(0.001, V.DEGRADED), (0.05, V.INVALID)])
def test_not_sent(share, verdict):
    outcome = np.where(np.arange(20_000) % round(1 / share) == 0, Outcome.NOT_SENT, Outcome.OK)
    rows = open_loop(outcome=outcome)
    absent = outcome[: rows.num_rows] == Outcome.NOT_SENT
    columns = {name: np.where(absent, -1, rows[name].to_numpy()) for name in ("sent_ns", "first_byte_ns", "done_ns")}
    rows = rows_of(rows["due_ns"].to_numpy(), 0, outcome=outcome[: rows.num_rows], **columns)
    assert found(open_evidence(rows))["not_sent"] is verdict


@pytest.mark.parametrize(("rate", "verdict"), [(1030.0, V.DEGRADED), (1200.0, V.INVALID)])
def test_another_rate_than_asked(rate, verdict):
    # 15 000 requests: chance allows 3 / sqrt(15 000) = 2.4 %.
    assert found(open_evidence(open_loop(), arrivals=Poisson(rate_rps=rate))) == {"rate": verdict}


def test_the_error_of_a_timer_is_no_other_process():
    late_ns = np.random.default_rng(4).integers(0, 400_000, 20_000)  # at 1 000/s, gaps vary by 16 %
    rows = open_loop(gaps_s=np.full(20_000, 1 / RATE), lateness_ns=late_ns)
    assert found(open_evidence(rows, arrivals=Constant(rate_rps=RATE))) == {}


def test_false_alarms_of_the_arrival_process_are_rare():
    rng = np.random.default_rng(5)
    alarms = [
        "arrival_process" in found(open_evidence(open_loop(count=3_000, seed=seed), seconds=2.9))
        for seed in rng.integers(1e6, size=60)
    ]
    assert sum(alarms) <= 2


def test_another_process_than_asked():
    bursts = np.random.default_rng(2).gamma(0.25, 4 / RATE, 20_000)
    assert found(open_evidence(open_loop(gaps_s=bursts)))["arrival_process"] is V.INVALID
    regular = np.full(20_000, 1 / RATE)
    assert found(open_evidence(open_loop(gaps_s=regular))) == {"arrival_process": V.INVALID}


def test_arrivals_that_slow_down_are_not_the_process():
    # As many as asked for, but 1 300/s at first and 700/s at last.
    u = np.random.default_rng(3).random(15_000)
    instants = np.sort((1.3 - np.sqrt(1.69 - 1.2 * u)) / 0.6) * 15
    kinds = found(open_evidence(open_loop(gaps_s=np.diff(instants, prepend=0.0))))
    assert kinds["arrival_process"] is V.INVALID


@pytest.mark.parametrize(("busy", "verdict"), [(0.65, None), (0.75, V.DEGRADED), (0.95, V.INVALID)])
def test_generator_cpu(busy, verdict):
    reports = with_health(ROWS, cpu_ns=round(busy * 10 * S))
    assert found(evidence_of(ROWS, reports=reports)) == ({"generator_cpu": verdict} if verdict else {})
    assert found(evidence_of(ROWS, reports=reports, in_process=True)) == {}


def test_a_generator_that_spins_towards_due_times_is_not_condemned_for_it():
    rows = open_loop()
    assert found(open_evidence(rows, reports=with_health(rows, 15.0, cpu_ns=round(9.9 * S)))) == {
        "generator_cpu": V.DEGRADED
    }


@pytest.mark.parametrize(("lag_ms", "verdict"), [(0.1, None), (7.0, V.DEGRADED), (25.0, V.INVALID)])
def test_loop_lag(lag_ms, verdict):
    reports = with_health(ROWS, loop_lag_p99_ns=round(lag_ms * MS))
    assert found(evidence_of(ROWS, reports=reports)) == ({"loop_lag": verdict} if verdict else {})


@pytest.mark.parametrize(("pause_ms", "verdict"), [(5, None), (50, V.DEGRADED), (400, V.DEGRADED), (600, V.INVALID)])
def test_gc_pauses(pause_ms, verdict):
    reports = with_health(ROWS, gc_pause_ns=pause_ms * MS)
    assert found(evidence_of(ROWS, reports=reports)) == ({"gc_pause": verdict} if verdict else {})


def test_littles_law_misses_users():
    assert found(evidence_of(ROWS, arrivals=Closed(users=2))) == {"littles_law": V.INVALID}
    thinking = rows_of(START + np.arange(500) * 20 * MS, np.full(500, 10 * MS))
    assert found(evidence_of(thinking, arrivals=Closed(users=1, think_time_s=0.010))) == {}
    assert found(evidence_of(thinking, arrivals=Closed(users=1))) == {"littles_law": V.INVALID}


def test_users_who_wait_after_a_rejection_are_not_missing():
    # Two users, 10 ms a response, 10 s. The second one is rejected once a second and waits 0.5 s then: 10 rejections
    # of 1500 requests are few, but 0.5 of 2 users wait on average.
    busy = START + np.arange(1000) * 10 * MS
    own = np.concatenate([START + second * S + np.arange(50) * 10 * MS for second in range(10)])
    rejected = np.arange(own.size) % 50 == 49
    due_ns = np.concatenate([busy, own])
    outcome = np.concatenate([np.full(busy.size, Outcome.OK), np.where(rejected, Outcome.REJECTED, Outcome.OK)])
    user = np.repeat([0, 1], [busy.size, own.size])
    rows = rows_of(due_ns, np.full(due_ns.size, 10 * MS), outcome=outcome, user=user)
    findings = summarise_trial(evidence_of(rows, arrivals=Closed(users=2)), None).findings
    assert "littles_law" not in {each.kind for each in findings}
    (rejections,) = (each for each in findings if each.kind == "rejections")
    assert "on average 0.5 of 2 did" in rejections.text


def test_littles_law_sees_rows_that_were_dropped_silently():
    # One in six of a busy user's rows is missing everywhere: the books balance, the law does not.
    rows = closed_loop(seconds=30)
    kept = rows.filter(pa.array(np.arange(rows.num_rows) % 6 != 0))
    assert found(evidence_of(kept, seconds=30.0)) == {"littles_law": V.INVALID}


@pytest.mark.parametrize(
    ("outcome", "every", "kind", "verdict"),
    [
        (Outcome.ERROR, 100, "errors", V.DEGRADED),
        (Outcome.ERROR, 10, "errors", V.INVALID),
        (Outcome.TIMEOUT, 10, "errors", V.INVALID),
        (Outcome.ABORTED, 500, "errors", V.DEGRADED),
        (Outcome.REJECTED, 10, "rejections", V.DEGRADED),
        (Outcome.WRONG, 900, "wrong_answers", V.INVALID),
    ],
)
def test_bad_answers(outcome, every, kind, verdict):
    outcomes = np.where(np.arange(ROWS.num_rows) % every == every // 2, outcome, Outcome.OK)
    assert found(evidence_of(closed_loop(outcome=outcomes))) == {kind: verdict}


def test_errors_name_the_most_frequent():
    outcomes = np.where(np.arange(ROWS.num_rows) % 10 == 0, Outcome.ERROR, Outcome.OK)
    rows = closed_loop(outcome=outcomes)
    report = report_of(rows, 10.0, errors={"refused": 3, "reset by peer": 90})
    finding = summarise_trial(evidence_of(rows, reports=(report,)), None).findings[0]
    failed = np.count_nonzero(outcomes)
    assert f"({failed} failed; most often: reset by peer)" in finding.text
    assert finding.data["share"] == pytest.approx(failed / ROWS.num_rows)


@pytest.mark.parametrize(
    ("count", "verdict"), [(1, V.DEGRADED), (ROWS.num_rows // 25, V.DEGRADED), (ROWS.num_rows // 10, V.INVALID)]
)
def test_failures_that_tasks_took_as_good(count, verdict):
    report = report_of(ROWS, 10.0, unnoticed={"quota exceeded": count})
    (finding,) = summarise_trial(evidence_of(ROWS, reports=(report,)), None).findings
    assert (finding.kind, finding.verdict) == ("unnoticed_failures", verdict)
    assert finding.text.endswith("report a failure; most often: quota exceeded.")
    assert finding.data["share"] == pytest.approx(count / ROWS.num_rows)


def with_memory(rates, accesses_ns):
    """A point whose repeats have these rates, at these durations of an access to memory."""
    metrics = point_of(rates=rates)
    trials = [
        msgspec.structs.replace(trial, usage=msgspec.structs.replace(trial.usage, memory_access_ns=access_ns))
        for trial, access_ns in zip(metrics.trials, accesses_ns, strict=True)
    ]
    return msgspec.structs.replace(metrics, trials=tuple(trials))


def test_throughput_that_follows_the_memory_is_named():
    # By hand: log rate = -2 log access, exactly; 40 ns against 30 ns then cost 1 - (3/4)^2 = 44 %.
    accesses_ns = [30.0, 32.0, 35.0, 37.0, 40.0]
    (found,) = machine.slow_memory(with_memory([9e5 / ns**2 for ns in accesses_ns], accesses_ns))
    assert found.data["cost"] == pytest.approx(1 - 0.75**2)
    assert found.data["correlation"] == pytest.approx(-1.0)
    assert found.data["slope"] == pytest.approx(-2.0)
    assert found.data["error"] == pytest.approx(0.0, abs=1e-6)
    assert (found.data["freedom"], found.data["fastest_ns"]) == (3, pytest.approx(30.0))
    assert "took 40 ns instead of 30 ns, throughput was 44" in found.text
    assert found.verdict is V.VALID


@pytest.mark.parametrize(
    ("rates", "accesses_ns"),
    [
        ([1000.0, 870.0, 730.0, 650.0], [30.0, 32.0, 35.0, 37.0]),  # too few to tell
        ([1000.0, 1010.0, 990.0, 1005.0, 995.0, 1000.0], [30.0, 40.0, 35.0, 31.0, 39.0, 33.0]),  # it follows nothing
        ([1000.0, 998.0, 995.0, 993.0, 990.0, 985.0], [30.0, 31.0, 32.0, 33.0, 34.0, 36.0]),  # it costs 1.5 %
        ([700.0, 800.0, 850.0, 900.0, 950.0, 1000.0], [30.0, 31.0, 32.0, 33.0, 34.0, 36.0]),  # the other way round
        ([1000.0, 900.0, 800.0, 700.0, 600.0, 500.0], [30.0] * 6),
        ([1000.0, 900.0, 800.0, 700.0, 600.0, 500.0], [None] * 6),
    ],
)
def test_throughput_that_does_not_follow_the_memory(rates, accesses_ns):
    assert list(machine.slow_memory(with_memory(rates, accesses_ns))) == []


def test_of_several_servers_the_one_that_fails_is_named():
    number = np.arange(ROWS.num_rows)
    outcomes = np.where(number % 10 == 1, Outcome.ERROR, np.where(number % 1000 == 0, Outcome.TIMEOUT, Outcome.OK))
    rows = closed_loop(outcome=outcomes, server=number % 2)
    report = report_of(rows, 10.0, servers=("http://127.0.0.1:1", "http://127.0.0.1:2"))
    texts = {each.kind: each.text for each in summarise_trial(evidence_of(rows, reports=(report,)), None).findings}
    odd, even = np.count_nonzero(number % 10 == 1), np.count_nonzero(number % 1000 == 0)
    assert texts["errors"].endswith(f" {odd} of these {odd + even} were at http://127.0.0.1:2.")


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"zeros_pass": 0.5, "neighbours_pass": 0.0}, "of 50\u202f% of the payloads are smaller than the tolerance"),
        ({"zeros_pass": 0.0, "neighbours_pass": 0.25}, "for 25\u202f% of the payloads the tolerance"),
        ({"zeros_pass": 0.0, "neighbours_pass": 0.0}, ""),
    ],
)
def test_a_tolerance_that_wrong_responses_keep(shares, says):
    rows = closed_loop(checked=np.ones(ROWS.num_rows, int))
    report = report_of(rows, 10.0, tolerance=(1e-3, 1e-6), **shares)
    texts = {each.kind: each.text for each in summarise_trial(evidence_of(rows, reports=(report,)), None).findings}
    assert says in texts["lenient"] if says else "lenient" not in texts


@pytest.mark.parametrize(("every", "verdict"), [(10, None), (100, V.VALID), (0, V.DEGRADED)])
def test_unchecked(every, verdict):
    checked = (np.arange(ROWS.num_rows) % every == 0).astype(int) if every else 0
    assert found(evidence_of(closed_loop(checked=checked))) == ({"unchecked": verdict} if verdict else {})


def test_unchecked_as_the_user_asks_is_no_doubt():
    case = evidence_of(closed_loop(checked=np.zeros(ROWS.num_rows, int)), check_off=True)
    assert found(case) == {"unchecked": V.VALID}


def test_the_condition_that_responses_do_not_meet_is_named():
    outcomes = np.where(np.arange(ROWS.num_rows) % 10 == 0, Outcome.WRONG, Outcome.OK)
    rows = closed_loop(outcome=outcomes)
    report = report_of(rows, 10.0, errors={"reset by peer": 900, "a wrong response: $.a = 1": 5})
    (finding,) = [each for each in summarise_trial(evidence_of(rows, reports=(report,)), None).findings
                  if each.kind == "wrong_answers"]  # fmt: skip
    assert finding.text.endswith("were wrong; most often: $.a = 1.")


@pytest.mark.parametrize(("one_in", "verdict"), [(50, V.DEGRADED), (10, V.INVALID)])
def test_a_failure_by_the_tasks_own_words_is_an_error(one_in, verdict):
    outcomes = np.where(np.arange(ROWS.num_rows) % one_in == 0, Outcome.WRONG, Outcome.OK)
    rows = closed_loop(outcome=outcomes)
    report = report_of(rows, 10.0, errors={"a wrong response: sold out": 5}, user_paced=True)
    assert found(evidence_of(rows, reports=(report,)))["wrong_answers"] is verdict


@pytest.mark.parametrize(
    ("outcome", "kind", "slo", "verdict"),
    [
        (Outcome.WRONG, "wrong_answers", "p99<50ms", V.INVALID),
        (Outcome.WRONG, "wrong_answers", "errors<15%", V.VALID),
        (Outcome.WRONG, "wrong_answers", "errors<5%", V.INVALID),
        (Outcome.ERROR, "errors", "p99<50ms", V.INVALID),
        (Outcome.ERROR, "errors", "p99<50ms,errors<15%", V.VALID),
        (Outcome.ERROR, "errors", "errors<5%", V.INVALID),
    ],
)
def test_failures_that_the_objective_allows_are_no_doubt(outcome, kind, slo, verdict):
    rows = closed_loop(outcome=np.where(np.arange(ROWS.num_rows) % 10 == 0, outcome, Outcome.OK))  # 10 %
    findings = summarise_trial(evidence_of(rows), parse_slo(slo)).findings
    assert {each.kind: each.verdict for each in findings} == {kind: verdict}
    hint = "--slo 'p99<50ms,errors<10%' allows a share"
    assert (hint in findings[0].remedy) == (kind == "wrong_answers" and slo == "p99<50ms")


def test_what_to_look_into_is_there():
    rows = closed_loop(outcome=np.where(np.arange(ROWS.num_rows) % 10 == 0, Outcome.ERROR, Outcome.OK))
    for has_log, log in ((True, "target.log"), (False, "the server's own log")):
        (found,) = summarise_trial(evidence_of(rows, has_log=has_log), None).findings
        assert found.remedy == f"Look into {log}."  # no longer --timeout: nothing took long


def test_a_target_that_cannot_keep_up_is_saturated():
    rows = open_loop()
    due_ns = rows["due_ns"].to_numpy()
    # Each answer takes 1.2 ms of a server that gets a request every ms: the queue grows by 167 requests per second.
    answered_ns = START + (np.arange(1, due_ns.size + 1) * 1.2 * MS).astype(np.int64)
    kinds = found(open_evidence(rows_of(due_ns, np.maximum(answered_ns - due_ns, MS))))
    assert kinds == {"saturated": V.DEGRADED, "unsteady": V.DEGRADED}


def test_unsteady():
    slower = np.where(np.arange(20_000) > 10_000, 1.3, 1.0)
    rows = open_loop()
    response_ns = ((rows["done_ns"].to_numpy() - rows["due_ns"].to_numpy()) * slower[: rows.num_rows]).astype(np.int64)
    rows = rows_of(rows["due_ns"].to_numpy(), response_ns)
    trial = summarise_trial(open_evidence(rows), None)
    assert {finding.kind: finding.verdict for finding in trial.findings} == {"unsteady": V.DEGRADED}
    assert "no steady state" in trial.findings[0].text


def test_a_warm_up_that_was_too_short_names_how_much_longer():
    rows = open_loop()
    due_ns = rows["due_ns"].to_numpy()
    response_ns = rows["done_ns"].to_numpy() - due_ns
    cold = due_ns < START + 3 * S
    finding = summarise_trial(
        open_evidence(rows_of(due_ns, np.where(cold, 2 * response_ns, response_ns))), None
    ).findings[0]
    assert finding.kind == "unsteady"
    assert finding.data["start_s"] == pytest.approx(3.0, abs=0.7)
    assert "--warmup" in finding.remedy


def test_samplers():
    assert found(evidence_of(ROWS, samples=samples_of({}))) == {"sampler": V.VALID}
    gap = samples_of({("target", "cpu_s"): [(t, t) for t in (0, 1, 2, 7, 8, 9, 10)]})
    assert found(evidence_of(ROWS, samples=gap)) == {"sampler": V.DEGRADED}


def test_why_the_samplers_ended_is_said():
    half = samples_of({("target", "cpu_s"): [(t / 2, t / 4) for t in range(11)]})
    failed = "the sampler process was killed by SIGKILL"
    for samples, until in ((half, "unknown from then on."), (samples_of({}), "unknown.")):
        trial = summarise_trial(evidence_of(ROWS, samples=samples, sampler_failure=failed), None)
        (shown,) = trial.findings
        assert (shown.kind, shown.verdict) == ("sampler", V.VALID)
        assert shown.text == f"The samplers failed ({failed}): CPU, memory and GPU are {until}"


def test_where_no_samplers_were_started_none_are_missed():
    assert found(replace(evidence_of(ROWS), samples=None)) == {}


def test_a_reading_that_failed_is_told_only_where_it_was_measured():
    good = samples_of({("target", "cpu_s"): [(t / 2, t / 4) for t in range(21)]}).to_pylist()
    failed = {"late_ns": 0, "source": "gpu0", "metric": "power_w", "value": None, "error": "NVML: not supported"}
    schema = samples_of({}).schema
    during = pa.Table.from_pylist([*good, {"t_ns": START + S, **failed}], schema=schema)
    afterwards = pa.Table.from_pylist([*good, {"t_ns": START + 11 * S, **failed}], schema=schema)
    assert found(evidence_of(ROWS, samples=during)) == {"sampler": V.VALID}
    assert found(evidence_of(ROWS, samples=afterwards)) == {}


@pytest.mark.parametrize(("stolen_s", "verdict"), [(0.1, None), (0.4, V.DEGRADED), (2.0, V.INVALID)])
def test_steal_of_two_cores(stolen_s, verdict):
    steal = [(t / 2, stolen_s * t / 20) for t in range(21)]
    cores = {(f"cpu{core}", "cpu_percent"): [(1, 50.0)] for core in range(2)}
    samples = samples_of({("machine", "steal_s"): steal, **cores})
    assert found(evidence_of(ROWS, samples=samples)) == ({"steal": verdict} if verdict else {})


def test_too_few_samples_says_how_many_more():
    point = summarise_point(evidence_of(ROWS).point, [evidence_of(closed_loop(seconds=2), seconds=2.0)], None)
    finding = next(finding for finding in point.findings if finding.kind == "too_few_samples")
    assert point.verdict is V.DEGRADED
    assert finding.text.startswith("p99 has only a lower bound")
    assert finding.data["needed"] == point.response.at(0.99).needed
    assert "--seconds" in finding.remedy


def test_a_bound_that_decides_the_objective_is_no_doubt():
    (bound,) = point.too_few_samples(point_of(tail=msgspec.structs.replace(quantile_of(30, 29), needed=100)))
    assert bound.verdict is V.DEGRADED
    for meets in (True, False):
        decided = point_of(tail=msgspec.structs.replace(quantile_of(30, 29), needed=100), meets=meets)
        assert [each.verdict for each in point.too_few_samples(decided)] == [V.VALID]


@pytest.mark.parametrize(
    ("off_by", "verdict"),
    [
        ((-0.06,), V.DEGRADED),  # more than the 5 % of the interval
        ((-0.04,), V.VALID),
        ((-0.06, 0.06), V.VALID),  # up here, down there: their mean is right
        ((-0.06, -0.06), V.DEGRADED),
        ((-0.12, None, None), V.VALID),  # 4 % over three repeats
    ],
)
def test_a_change_that_the_interval_allows_for_is_a_note(off_by, verdict):
    findings = [
        () if each is None else (case.finding(UNSTEADY, V.DEGRADED, "It rose.", "", off_by=each),) for each in off_by
    ]
    trials = tuple(trial_of(1000, findings=each, repeat=number) for number, each in enumerate(findings))
    metrics = msgspec.structs.replace(point_of(1000, half=50), trials=trials, repeats=len(trials))
    (found,) = point.of_its_trials(metrics)
    assert found.verdict is verdict
    assert ("allows for that" in found.text) == (verdict is V.VALID)


def test_repeats_that_disagree():
    tail = Latency(count=1, mean_ms=1.0, max_ms=1.0, quantiles=(quantile_of(30, 29, 31),))
    shifted = Latency(count=1, mean_ms=1.0, max_ms=1.0, quantiles=(quantile_of(40, 39, 41),))

    def verdict(*trials):
        metrics = msgspec.structs.replace(point_of(), repeats=len(trials), trials=trials)
        return judge_point(metrics)

    assert verdict(trial_of(100, 5), trial_of(108, 5)) == (V.VALID, ())
    assert verdict(trial_of(100, 0.1), trial_of(104, 0.1)) == (V.VALID, ())  # told apart, but 4 % are near enough
    severity, (finding,) = verdict(trial_of(100, 5), trial_of(120, 5))
    assert (severity, finding.kind) == (V.DEGRADED, "repeats_disagree")
    with_tails = [msgspec.structs.replace(trial_of(100, 5), response=latency) for latency in (tail, shifted)]
    assert "p99 was 30, 40 ms" in verdict(*with_tails)[1][0].text


def test_a_point_names_how_many_repeats_a_finding_is_of():
    steal = Finding(kind="steal", title="", verdict=V.DEGRADED, text="Taken: 2 %.")
    worse = Finding(kind="steal", title="", verdict=V.INVALID, text="Taken: 9 %.")
    trials = (trial_of(100, 5, findings=(steal,)), trial_of(100, 5), trial_of(100, 5, findings=(worse,)))
    severity, (finding,) = judge_point(msgspec.structs.replace(point_of(), repeats=3, trials=trials))
    assert severity is V.INVALID
    assert finding.text == "In 2 of 3 repeats, at worst: Taken: 9 %."


def test_every_finding_has_a_sentence_and_a_remedy():
    outcome = np.where(np.arange(ROWS.num_rows) % 9 == 0, Outcome.WRONG, Outcome.OK)
    evidence = evidence_of(
        closed_loop(outcome=outcome, checked=0),
        reports=(),
        target_died=True,
        isolated=False,
        samples=samples_of({}),
        arrivals=Closed(users=5),
    )
    findings = summarise_trial(evidence, None).findings
    assert len(findings) >= 5
    for finding in findings:
        assert finding.text.endswith(".")
        assert finding.remedy.endswith(".")


def envelope(greatest_rps, floor_ms):
    return Envelope(fingerprint="x", measured_at="", greatest_rps=greatest_rps, floor_ms=floor_ms, lateness=())


@pytest.mark.parametrize(
    ("greatest_rps", "floor_ms", "verdict"),
    [
        (1_000, 0.1, None),  # 100/s at 10 ms: a tenth of the rate, a hundredth of the time
        (150, 0.1, V.DEGRADED),  # two thirds of the greatest rate
        (105, 0.1, V.INVALID),  # 95 % of it
        (1_000, 8.0, V.DEGRADED),  # a server that does nothing takes 8 of the 10 ms
        (1_000, 14.0, V.INVALID),  # and here more than was measured
    ],
)
def test_a_point_outside_the_envelope_is_marked(greatest_rps, floor_ms, verdict):
    evidence = evidence_of(closed_loop(), envelope=envelope(greatest_rps, floor_ms))
    assert found(evidence).get("envelope") == verdict


def test_two_load_processes_can_do_twice_as_much():
    reports = (report_of(closed_loop(), 10.0), report_of(closed_loop(), 10.0, worker=1, scheduled=0, sent=0))
    evidence = evidence_of(closed_loop(), reports=reports, load_processes=2, envelope=envelope(150, 0.1))
    assert "envelope" not in found(evidence)


@pytest.mark.parametrize(
    ("error_ns", "verdict"), [(0, None), (200_000, V.VALID), (80_000_000, V.DEGRADED), (None, V.DEGRADED)]
)
def test_clocks_of_other_machines_are_stated_with_what_is_known_of_them(error_ns, verdict):
    rows = closed_loop()
    reports = (report_of(rows, 10.0, clock_offset_ns=7 * S if error_ns else 0, clock_error_ns=error_ns),)
    assert found(evidence_of(rows, reports=reports)).get("clock_offset") == verdict


RAMP = Stages(
    stages=(Stage(seconds=5.0, start_rps=0.0, end_rps=2000.0), Stage(seconds=10.0, start_rps=500.0, end_rps=500.0))
)


def ramped(seed=1):
    """Due times of RAMP by thinning: an independent way to the same process. 5 000 in the ramp, 5 000 after it."""
    rng = np.random.default_rng(seed)
    at_s = np.sort(rng.uniform(0, 15, rng.poisson(2000 * 15)))
    rate = np.where(at_s < 5, 400 * at_s, 500)
    return at_s[rng.uniform(0, 2000, at_s.size) < rate]


def test_a_ramp_is_tested_against_its_own_rate():
    gaps_s = np.diff(ramped(), prepend=0.0)
    rows = open_loop(gaps_s=gaps_s)
    assert found(open_evidence(rows, arrivals=RAMP)) == {}
    even = open_loop(gaps_s=np.full(10_000, 0.0015))
    wrong = found(open_evidence(even, arrivals=RAMP))
    assert wrong["arrival_process"] is V.INVALID
    few = found(open_evidence(open_loop(gaps_s=2 * gaps_s), arrivals=RAMP))
    assert few["rate"] is V.INVALID


def test_users_who_come_and_go_are_neither_unsteady_nor_saturating():
    # The median doubles in the second half, as it may where more users have come.
    rows = closed_loop()
    late = np.arange(rows.num_rows) > rows.num_rows // 2
    due_ns = rows["due_ns"].to_numpy()
    slower = rows_of(due_ns, rows["done_ns"].to_numpy() - due_ns + late * 10 * MS)
    arrivals = Users(stages=(UserStage(seconds=10.0, start_users=1.0, end_users=2.0),))
    assert "unsteady" in found(evidence_of(slower))
    assert {"unsteady", "saturated", "littles_law"}.isdisjoint(found(evidence_of(slower, arrivals=arrivals)))


def machine_samples(*, core_percent, target=0.25, load=0.25):
    """Ten seconds of two cores, of which target and load use so much each."""
    cumulative = {("target", "cpu_s"): target, ("load", "cpu_s"): load}
    series = {key: [(t / 2, each * t / 2) for t in range(21)] for key, each in cumulative.items()}
    return samples_of(series | {(f"cpu{n}", "cpu_percent"): [(t / 2, core_percent) for t in range(21)] for n in (0, 1)})


@pytest.mark.parametrize(
    ("core_percent", "more", "verdict"),
    [
        (30.0, {}, None),  # 0.6 cores, of which 0.5 are the run's: 5 % of the machine are others'
        (60.0, {}, V.DEGRADED),  # 1.2 cores: 35 % are others'
        (30.0, {"load": 0.0}, V.DEGRADED),
        (60.0, {"target": 0.9}, None),
    ],
)
def test_others_who_work_on_the_machine_are_told(core_percent, more, verdict):
    evidence = evidence_of(closed_loop(), samples=machine_samples(core_percent=core_percent, **more))
    assert found(evidence).get("neighbours") == verdict


def test_a_target_whose_work_is_not_known_is_no_neighbour():
    rates = {
        ("load", "cpu_s"): [(t / 2, t / 8) for t in range(21)],
        ("cpu0", "cpu_percent"): [(t / 2, 90.0) for t in range(21)],
    }
    assert "neighbours" not in found(evidence_of(closed_loop(), samples=samples_of(rates)))


def test_users_that_are_not_there_are_counted():
    closed = evidence_of(ROWS).point.arrivals
    assert found(evidence_of(ROWS, reports=(report_of(ROWS, 10.0, users_lowest=closed.users),))) == {}
    few = evidence_of(ROWS, reports=(report_of(ROWS, 10.0, users_lowest=closed.users // 4),))
    (missing,) = [each for each in summarise_trial(few, None).findings if each.kind == "missing_users"]
    assert missing.verdict is V.INVALID
    assert missing.data == {"there": closed.users // 4, "asked": closed.users}


@pytest.mark.parametrize(("compute_ms", "kinds"), [(80, {"server_timing": V.VALID}), (0.5, {})])
def test_parts_that_are_longer_than_the_response_are_refused(compute_ms, kinds):
    rows = closed_loop()
    column = rows.schema.get_field_index("compute_ns")
    said = pa.array(np.full(rows.num_rows, round(compute_ms * MS)), rows.schema.field(column).type)
    evidence = evidence_of(rows.set_column(column, rows.schema.field(column), said))
    assert found(evidence) == kinds
    split = summarise_trial(evidence, None).split
    assert split.rest_ms > 0
    assert split.compute_ms == (None if kinds else compute_ms)


def test_exceptions_of_tasks_are_shown():
    report = report_of(ROWS, 10.0, task_errors={"KeyError (mine.py:7)": 40, "OSError (mine.py:9)": 2})
    trial = summarise_trial(evidence_of(ROWS, reports=(report,)), None)
    (shown,) = trial.findings
    assert (shown.kind, shown.verdict, shown.data) == ("task_errors", V.DEGRADED, {"count": 42})
    assert "KeyError (mine.py:7)" in shown.text


def test_what_a_server_cannot_truly_say_is_shown():
    report = report_of(ROWS, 10.0, disbelieved={"usage with completion_tokens 1e+30": 40, "usage with x": 2})
    (shown,) = summarise_trial(evidence_of(ROWS, reports=(report, report)), None).findings
    assert (shown.kind, shown.verdict, shown.data) == ("disbelieved", V.DEGRADED, {"count": 84})
    assert "completion_tokens 1e+30" in shown.text


def test_a_target_that_cannot_be_started_is_no_fault_of_the_load():
    failure = "the first request was refused (HTTP 401: bad key); check the URL and --header"
    trial = summarise_trial(evidence_of(None, reports=(), failure=failure, start_failure=failure), None)
    (found,) = trial.findings
    assert (found.kind, found.verdict) == ("not_started", V.INVALID)
    assert found.text == f"The trial could not be started: {failure}."
    assert "--resume" not in found.remedy


@pytest.mark.parametrize(
    ("error_ns", "target", "seen"), [(0, {}, True), (200, {}, False), (200, {"target": 0.25}, True)]
)
def test_what_happens_to_a_machine_on_which_nothing_of_the_run_runs_says_nothing_of_it(error_ns, target, seen):
    """Steal of a tenth of two cores, and samplers that are silent for 3 s, beside a load process that only waits."""
    ticks = [t / 10 for t in range(101) if not 40 < t < 70]
    rates = {("load", "cpu_s"): 0.01, ("sampler", "cpu_s"): 0.01, ("machine", "steal_s"): 0.2}
    rates |= {(name, "cpu_s"): cores for name, cores in target.items()}
    series = {key: [(t, each * t) for t in ticks] for key, each in rates.items()}
    series |= {(f"cpu{n}", "cpu_percent"): [(t, 30.0) for t in ticks] for n in (0, 1)}
    reports = (report_of(ROWS, 10.0, clock_error_ns=error_ns),)
    trial = summarise_trial(evidence_of(ROWS, samples=samples_of(series), reports=reports), None)
    assert ("harmed" in {each.kind for each in trial.findings}) is seen
    assert (trial.usable_share == 1.0) is not seen
    assert trial.usage.cpu_load_cores == (None if error_ns else pytest.approx(0.01))
    assert (trial.usage.steal_percent is not None) is seen
    if not seen:
        assert [each.kind for each in trial.findings] == ["clock_offset"]
        assert trial.verdict is V.VALID
