"""How a target served, in rows made by hand: the finding, the limit and the sentence."""

import numpy as np
import pyarrow as pa
import pytest
from evidence_of import (
    MS,
    START,
    S,
    closed_loop,
    evidence_of,
    report_of,
    rows_of,
    summarise_point,
    summarise_run,
    summarise_trial,
)

from harness.judge.conclusions.grid_recommendation import recommend_from_grid
from harness.judge.findings import Verdict
from harness.plan.arrivals import Closed, Poisson
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan
from harness.plan.slo import parse_slo
from harness.record.rows import ABSENT, Outcome, Phase

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
    due_ns = START - 2 * S + np.arange(4) * MS
    data = rows_of(
        due_ns, 9 * S, outcome=Outcome.ABORTED, phase=Phase.WARMUP, user=np.arange(4), first_byte_ns=due_ns + 5 * MS
    )
    (found,) = [each for each in summarise_trial(evidence_of(data), SLO).findings if each.verdict is V.INVALID]
    assert found.kind == "unavailable"
    assert "4 requests, sent before it, were still waiting" in found.text


def test_a_server_that_made_all_users_wait():
    """A refusal in the warm-up with a Retry-After of 30 years."""
    data = rows_of(
        START - 2 * S + np.arange(4) * MS, MS, outcome=Outcome.REJECTED, phase=Phase.WARMUP, user=np.arange(4)
    )
    (found,) = [each for each in summarise_trial(evidence_of(data), SLO).findings if each.verdict is V.INVALID]
    assert found.kind == "unavailable"
    assert "had refused 4 and made users wait" in found.text


@pytest.mark.parametrize("whole", [True, False], ids=["a response after the window", "its first byte in the window"])
def test_a_server_that_goes_on_to_respond_has_not_hung(whole):
    """Two requests sent 2 s before the window; a sign of the first comes 5 s after that began, the other waits on."""
    data = rows_of(
        START - 2 * S + np.arange(2) * MS,
        (7 * S, 30 * S) if whole else 30 * S,
        outcome=[Outcome.OK if whole else Outcome.TIMEOUT, Outcome.TIMEOUT],
        phase=Phase.WARMUP,
        user=np.arange(2),
        first_byte_ns=[START - S if whole else START + 5 * S, ABSENT],
    )
    (found,) = [each for each in summarise_trial(evidence_of(data), SLO).findings if each.verdict is V.INVALID]
    assert found.kind == "short_window"
    assert "one takes long: 7 s or more" in found.text
    assert "--seconds 28s --timeout 28s" in found.remedy


def test_a_server_that_takes_longer_than_the_window_has_not_hung():
    """As its first response, before the load, showed: 30 s, and the window is of 10 s."""
    data = rows_of(
        START - 2 * S + np.arange(4) * MS, 9 * S, outcome=Outcome.ABORTED, phase=Phase.WARMUP, user=np.arange(4)
    )
    trial = summarise_trial(evidence_of(data, first_response_s=30.0), SLO)
    (found,) = [each for each in trial.findings if each.verdict is V.INVALID]
    assert found.kind == "short_window"
    assert "the first took 30 s" in found.text
    assert "--seconds 120s --timeout 120s" in found.remedy


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


def leaking(share_per_s, seconds, arrivals_ms=None):
    """5 ms, and longer by a share each second, within 2 %; one user, or a request each `arrivals_ms`."""
    rng = np.random.default_rng(5)
    due_ms, took_ms, now = [], [], 0.0
    while now < seconds * 1000:
        took = 5 * (1 + share_per_s * now / 1000) * rng.normal(1, 0.02)
        due_ms.append(now)
        took_ms.append(took)
        now += arrivals_ms or took
    data = rows_of(START + (np.array(due_ms) * MS).astype(np.int64), (np.array(took_ms) * MS).astype(np.int64))
    arrivals = Poisson(rate_rps=1000 / arrivals_ms) if arrivals_ms else Closed(users=1)
    return summarise_trial(evidence_of(data, seconds=float(seconds), arrivals=arrivals), SLO)


@pytest.mark.parametrize("arrivals_ms", [None, 6])
@pytest.mark.parametrize(("share_per_s", "verdict"), [(0.01, V.DEGRADED), (0.05, V.DEGRADED), (0.007, V.VALID)])
def test_a_small_leak_is_seen_in_six_seconds(share_per_s, verdict, arrivals_ms):
    (found,) = [each for each in leaking(share_per_s, 6, arrivals_ms).findings if each.kind == "slowdown"]
    assert found.data["factor"] == pytest.approx(1 + 6 * share_per_s, abs=0.015)
    assert found.verdict is verdict
    assert "within 6 s the median response time rose from " in found.text


def test_a_leak_is_seen_in_few_requests():
    (found,) = [each for each in leaking(0.3, 2).findings if each.kind == "slowdown"]  # some 300 requests
    assert found.data["factor"] == pytest.approx(1.6, abs=0.1)
    assert found.verdict is V.DEGRADED


@pytest.mark.parametrize("seconds", [1, 2, 6])
def test_no_leak_is_none(seconds):
    assert not {"slowdown", "unsteady"} & kinds(leaking(0.0, seconds)).keys()


def test_a_connection_of_an_open_loop_that_is_slow_for_ever():
    lines = [(at, 60 if (at // 10) % 7 == 3 else 5, Outcome.OK, (at // 10) % 7) for at in range(0, 6000, 10)]
    trial = summarise_trial(evidence_of(rows(lines), seconds=6.0, arrivals=Poisson(rate_rps=100.0)), SLO)
    (found,) = [each for each in trial.findings if each.kind == "unequal_users"]
    assert "the median response time of 1 of 7 was 60" in found.text
    assert found.text.startswith("Connections")


@pytest.mark.parametrize("arrivals", [Closed(users=4), Poisson(rate_rps=400.0)])
def test_the_first_response_of_a_cold_server(arrivals):
    # The first request of user 0 takes 1.2 s, in the warm-up; those of the others are usual.
    lines = [(0, 1200, Outcome.OK, 0), *user(0, 8, 10_000, 1200), *(each for n in (1, 2, 3) for each in user(n, 8))]
    data = rows(lines)
    assert "slow_first" not in kinds(
        summarise_trial(evidence_of(data, arrivals=arrivals), SLO)
    )  # others had their responses meanwhile: one connection was slow, not the server
    together = [line for line in sorted(lines) if line[0] >= 1200]
    cold = rows([*[(at, 1200 - at, Outcome.OK, at % 4) for at in range(0, 1200, 300)], *together])
    (found,) = [each for each in summarise_trial(evidence_of(cold, arrivals=arrivals), SLO).findings
                if each.kind == "slow_first"]  # fmt: skip
    assert found.verdict is V.VALID
    assert "came after 1 200 ms; later ones took 8 ms" in found.text.replace("\u202f", " ")


def test_the_response_to_the_request_before_the_load_counts_as_the_first():
    data = evidence_of(closed_loop(), first_response_s=1.2)
    assert kinds(summarise_trial(data, SLO)) == {"slow_first": V.VALID}
    assert kinds(summarise_trial(evidence_of(closed_loop(), first_response_s=0.09), SLO)) == {}


def test_a_server_that_closes_each_connection_is_an_insight_with_its_cost():
    data = closed_loop()

    def found(**counts):
        trial = summarise_trial(evidence_of(data, reports=(report_of(data, 10, **counts),)), SLO)
        return [each for each in trial.findings if each.kind == "closed"]

    again = data.num_rows - 1
    (closed,) = found(reconnects=again, reconnect_ns=again * MS // 4)
    assert closed.verdict is V.VALID
    assert "needed a new one, which took 0.25 ms" in closed.text.replace("\u202f", " ")
    assert found(reconnects=data.num_rows // 2, reconnect_ns=MS) == []  # every other one, after an idle time
    assert found(reconnects=again, reconnect_ns=MS, ok=again // 4) == []  # connections were lost by failures
    assert found(reconnects=again, reconnect_ns=MS, servers=("a", "b")) == []  # conversations change the server
    assert found(reconnects=again, reconnect_ns=MS, unasked=4) == []  # the load closes them


def test_bytes_that_nobody_asked_for_are_a_finding():
    data = closed_loop()
    trial = summarise_trial(evidence_of(data, reports=(report_of(data, 10, unasked=2),)), SLO)
    (found,) = trial.findings
    assert (found.kind, found.verdict, found.data["count"]) == ("unasked", V.DEGRADED, 2)
    assert "came 2 times" in found.text


def test_a_good_server_has_none_of_these():
    assert kinds(summarise_trial(evidence_of(closed_loop()), SLO)) == {}


def test_the_sentence_says_what_is_wrong_with_the_best():
    lines = [line for n in range(8) for line in user(n, 20 if n % 2 else 2)]
    _, point = judged(lines, 8)
    assert "4 of 8 users were served much worse than the others." in recommend_from_grid([point], SLO).sentence


def plan_of(data):
    return Plan(
        name="run", target="external", scenario="", model="", points=(data.point,), trials=(data.trial,),
        load=LoadSettings(measure_s=10.0), repeats=1, slo=SLO, seed=1,
    )  # fmt: skip


def refused(number, from_ms, until_ms):
    """Due times of a user whose connection is refused at once, who tries again after 20 ms."""
    return [(int(at), 1, Outcome.ERROR, number) for at in range(from_ms, until_ms, 20)]


def test_a_server_that_is_gone_is_away_though_no_request_was_sent():
    lines = [line for n in range(4) for line in (*user(n, 5, 6000), *refused(n, 6000, 10_000))]
    gone = np.array([line[2] == Outcome.ERROR for line in sorted(lines)])
    due = np.array([line[0] for line in sorted(lines)])
    data = evidence_of(
        rows(lines).set_column(
            rows(lines).schema.get_field_index("sent_ns"),
            rows(lines).schema.field("sent_ns"),
            pa.array(np.where(gone, 0, START + due * MS), mask=gone),
        ),
        arrivals=Closed(users=4),
    )
    (found,) = [each for each in summarise_trial(data, SLO).findings if each.kind == "unavailable"]
    assert "from 6 s on until the end all 800 requests failed" in found.text
    assert found.data["available"] == pytest.approx(0.6, abs=0.01)
    result = summarise_run(plan_of(data), [data])
    assert (result.verdict, result.spoiled_by_outage) == (V.INVALID, True)


def test_an_outage_beside_a_fault_of_the_load_is_not_all_that_spoils_a_run():
    given = rows([line for n in range(4) for line in (*user(n, 5, 6000), *refused(n, 6000, 10_000))])
    found = []
    for ended in (True, False):
        data = evidence_of(given, arrivals=Closed(users=4), reports=(report_of(given, 10.0, final=ended),))
        found.append(summarise_run(plan_of(data), [data]))
    assert [(each.verdict, each.spoiled_by_outage) for each in found] == [(V.INVALID, True), (V.INVALID, False)]


def test_a_server_that_failed_every_request_is_wrong_and_not_away():
    data = evidence_of(rows([line for n in range(4) for line in refused(n, 0, 10_000)]), arrivals=Closed(users=4))
    result = summarise_run(plan_of(data), [data])
    assert (result.verdict, result.spoiled_by_outage) == (V.INVALID, False)


def test_a_window_without_requests_is_not_blamed_on_slow_responses_where_no_user_was_left():
    lines = [(at, 90, Outcome.OK, 0) for at in range(0, 1000, 100)]
    before = rows(lines, phase=[Phase.WARMUP] * len(lines))

    def text(users_lowest):
        reports = (report_of(before, 10, users_lowest=users_lowest),)
        trial = summarise_trial(evidence_of(before, arrivals=Closed(users=1), reports=reports), SLO)
        return next(each.text for each in trial.findings if each.kind == "short_window")

    assert "responses take up to" in text(1)
    assert text(0).endswith("no user was running any more.")
