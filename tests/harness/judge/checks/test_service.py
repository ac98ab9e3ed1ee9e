"""How a target served, in rows made by hand: the finding, the limit and the sentence."""

import numpy as np
import pytest
from evidence_of import MS, START, S, closed_loop, evidence_of, rows_of, summarise_point, summarise_trial

from harness.judge.answers.grid_recommendation import recommend_from_grid
from harness.judge.findings import Verdict
from harness.plan.arrivals import Closed
from harness.plan.slo import parse_slo
from harness.record.rows import Outcome, Phase

V = Verdict
SLO = parse_slo("p99<50ms")


def user(number, took_ms, until_ms=10_000, begin_ms=0):
    """Due times and durations in ms of a user who asks again at once."""
    due = np.arange(begin_ms, until_ms, took_ms)
    return [(int(at), took_ms, Outcome.OK, number) for at in due]


def rows(lines, **columns):
    lines = sorted(lines)
    due, took, outcome, users = (np.array(column) for column in zip(*lines, strict=True))
    return rows_of(START + due * MS, took * MS, outcome=outcome, user=users, payload=np.arange(due.size), **columns)


def judged(lines, users, **columns):
    data = evidence_of(rows(lines, **columns), arrivals=Closed(users=users))
    return summarise_trial(data, SLO), summarise_point(data.point, [data], SLO)


def kinds(trial):
    return {found.kind: found.verdict for found in trial.findings}


def test_a_freeze_breaks_the_limit_though_few_requests_are_slow():
    lines = [
        line for n in range(4) for line in (*user(n, 5, 4000), (4000, 1005, Outcome.OK, n), *user(n, 5, 10_000, 5005))
    ]
    trial, point = judged(lines, 4)
    (found,) = [each for each in trial.findings if each.kind == "unavailable"]
    assert found.verdict is V.DEGRADED
    assert "available for 90" in found.text
    assert "from 4 s on for 1 s it sent no response, though 4 requests were waiting" in found.text
    assert point.response.at(0.99).value_ms == 5  # of the requests, far less than 1 % are slow
    assert point.meets_slo is False
    assert "littles_law" not in kinds(trial)


def test_a_hang_is_not_blamed_on_the_generator():
    lines = [line for n in range(4) for line in (*user(n, 5, 3000), (3000, 7000, Outcome.ABORTED, n))]
    trial, point = judged(lines, 4)
    assert trial.outages[0].start_s == pytest.approx(3.0)
    assert not trial.outages[0].ended
    assert "littles_law" not in kinds(trial)
    assert point.meets_slo is False


def test_users_who_were_not_there_are_missed_all_the_same():
    trial, _ = judged([line for n in range(3) for line in user(n, 5)], 4)
    assert kinds(trial)["littles_law"] is V.INVALID


def test_a_server_that_hung_before_the_window():
    data = rows_of(
        START - 2 * S + np.arange(4) * MS, 9 * S, outcome=Outcome.ABORTED, phase=Phase.WARMUP, user=np.arange(4)
    )
    (found,) = [each for each in summarise_trial(evidence_of(data), SLO).findings if each.verdict is V.INVALID]
    assert found.kind == "unavailable"
    assert "4 requests, sent before it, were still waiting" in found.text


def test_refusals_break_the_limit_and_are_in_the_sentence():
    rng = np.random.default_rng(1)
    lines = [(at, 5, Outcome.REJECTED if rng.random() < 0.3 else Outcome.OK, 0) for at in range(0, 10_000, 5)]
    data = evidence_of(rows(lines))
    plan_point = summarise_point(data.point, [data], SLO)
    assert plan_point.meets_slo is False
    assert "unavailable" not in {found.kind for found in plan_point.findings}  # spread over the time


def test_connections_that_are_slow_for_ever():
    lines = [line for n in range(8) for line in user(n, 20 if n % 2 else 2)]
    trial, _ = judged(lines, 8)
    (found,) = [each for each in trial.findings if each.kind == "unequal_users"]
    assert "the median response time of 4 of 8 was 20" in found.text
    assert (found.data["slow"], found.data["starved"]) == (4, 4)


def test_a_leak_is_no_warming_up():
    due_ms, now = [], 0.0
    took_ms = []
    while now < 10_000:
        took = 2 + now / 2000
        due_ms.append(now)
        took_ms.append(took)
        now += took
    data = rows_of(START + (np.array(due_ms) * MS).astype(np.int64), (np.array(took_ms) * MS).astype(np.int64))
    found = kinds(summarise_trial(evidence_of(data), SLO))
    assert found["slowdown"] is V.DEGRADED
    assert "unsteady" not in found


def test_a_cache():
    took = np.where(np.arange(1000) < 200, 40, 2)
    due = np.concatenate(([0], np.cumsum(took)[:-1]))
    data = rows_of(
        START + due[due < 10_000] * MS, took[due < 10_000] * MS, payload=(np.arange(1000) % 200)[due < 10_000], user=0
    )
    assert kinds(summarise_trial(evidence_of(data), SLO))["cached"] is V.DEGRADED


def test_a_slow_first_request_is_an_insight():
    lines = [line for n in range(4) for line in ((0, 400, Outcome.OK, n), *user(n, 5, 10_000, 400))]
    trial, _ = judged(lines, 4)
    assert kinds(trial)["slow_first"] is V.VALID


def test_a_good_server_has_none_of_these():
    assert kinds(summarise_trial(evidence_of(closed_loop()), SLO)) == {}


def test_the_sentence_says_what_is_wrong_with_the_best():
    lines = [line for n in range(8) for line in user(n, 20 if n % 2 else 2)]
    _, point = judged(lines, 8)
    assert "4 of 8 users were served much worse than the others." in recommend_from_grid([point], SLO).sentence
