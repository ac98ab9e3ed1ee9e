"""Outages of targets whose answers are listed by hand."""

import numpy as np
import pytest

from harness.judge.numbers.target.availability import (
    Exchanges,
    OutageKind,
    OutageSpan,
    _fewest_in_a_row,
    availability,
)

MS = 1_000_000
NEVER = 10**15
WINDOW = (0, 10_000 * MS)


def exchanges(rows):
    """Rows of (sent ms, done ms or None, outcome): good, refused, failed (a response) or lost (none)."""
    sent = np.array([row[0] for row in rows], dtype=np.int64) * MS
    done = np.array([NEVER if row[1] is None else row[1] * MS for row in rows], dtype=np.int64)
    outcome = np.array([row[2] for row in rows])
    return Exchanges(
        sent, done, np.isin(outcome, ("good", "refused", "failed")), outcome == "good", outcome == "refused"
    )


def user(begin_ms, end_ms, took_ms=5):
    """One user who asks again at once and is always answered."""
    return [(at, at + took_ms, "good") for at in range(begin_ms, end_ms, took_ms)]


def found(rows):
    result = availability(exchanges(rows), WINDOW)
    return [(each.kind, each.start_ns // MS, each.end_ns // MS, each.requests) for each in result.outages], result


def test_who_is_always_answered_has_no_outage():
    outages, result = found(user(-500, 10_500))
    assert outages == []
    assert (result.share, result.longest(), result.slow_share(50 * MS)) == (1.0, None, 0.0)


def test_a_target_that_hangs_for_good():
    rows = user(-500, 3000) + user(-500, 3000) + [(3000, None, "lost")] * 2
    outages, result = found(rows)
    assert outages == [(OutageKind.SILENT, 3000, 10_000, 2)]
    assert result.share == pytest.approx(0.3)
    assert result.slow_share(50 * MS) == pytest.approx(0.7)


def test_requests_that_time_out_and_are_sent_again_do_not_end_the_silence():
    rows = [*user(-500, 3000), (3000, 5000, "lost"), (5000, 7000, "lost"), (7000, None, "lost")]
    assert found(rows)[0] == [(OutageKind.SILENT, 3000, 10_000, 3)]


def test_a_freeze_lasts_until_the_first_answer_after_it():
    rows = [*user(-500, 4000), (4000, 5000, "good"), *user(5000, 10_500)]
    outages, result = found(rows)
    assert outages == [(OutageKind.SILENT, 4000, 5000, 1)]
    # Who comes in the first 950 of these 1 000 ms waits for more than 50.
    assert result.slow_share(50 * MS) == pytest.approx(0.095)


@pytest.mark.parametrize("from_ms", range(-250, 9_750, 97))
def test_a_silence_just_long_enough_is_found_wherever_it_lies(from_ms):
    until_ms = from_ms + 251
    rows = [*user(from_ms % 5 - 1000, from_ms), (from_ms, until_ms, "good"), *user(until_ms, 10_500)]
    assert found(rows)[0] == [(OutageKind.SILENT, max(0, from_ms), until_ms, 1)]
    shorter = [*user(from_ms % 5 - 1000, from_ms), (from_ms, until_ms - 1, "good"), *user(until_ms - 1, 10_500)]
    assert found(shorter)[0] == []


def test_silence_without_a_request_is_no_outage():
    assert found([*user(-500, 4000), *user(6000, 10_500)])[0] == []


def test_half_of_the_connections_hanging_is_no_silence_since_the_others_are_served():
    assert found([*user(-500, 10_500), *user(-500, 3000), (3000, None, "lost")])[0] == []


def test_a_lost_request_does_not_make_the_pauses_of_a_slow_rate_silent():
    rows = [(2000, None, "lost"), *((at, at + 5, "good") for at in range(-500, 10_000, 500))]
    # 2 000 to 2 500 is silent for all that is known then; later pauses are those of the arrivals.
    assert [each[:3] for each in found(rows)[0]] == [(OutageKind.SILENT, 2005, 2505)]


def test_a_slow_server_is_not_silent_between_its_answers():
    # 50 medians of 100 ms are 5 s.
    assert found([*user(-500, 2000, 100), (2000, 4000, "good"), *user(4000, 10_500, 100)])[0] == []


def test_a_trial_that_begins_in_silence():
    assert found([(-3000, 2000, "good"), *user(2000, 10_500)])[0] == [(OutageKind.SILENT, 0, 2000, 1)]
    rows = [*user(-3000, -1000), (-1000, 2000, "good"), *user(2000, 10_500)]
    assert found(rows)[0] == [(OutageKind.SILENT, 0, 2000, 1)]


def test_a_target_that_never_answers():
    outages, result = found([(-1000, None, "lost"), (-900, 2100, "lost"), (2100, None, "lost")])
    assert [each[:3] for each in outages] == [(OutageKind.SILENT, 0, 10_000)]
    assert result.share == 0.0


def test_a_burst_of_refusals():
    refused = [(at, at + 1, "refused") for at in range(2000, 2100)]
    outages, result = found(user(-500, 2000) + refused + user(2105, 10_500))
    assert outages == [(OutageKind.REFUSING, 2001, 2102, 100)]  # (2100 + 2105) / 2
    assert result.seconds(OutageKind.REFUSING) == pytest.approx(0.1015)


def test_users_who_wait_after_refusals_see_the_end_of_a_burst_only_later():
    # Refused every 10 ms until 4400; the next request comes at 4600. It served again somewhere in between.
    refused = [(at, at + 10, "refused") for at in range(4000, 4400, 10)]
    outages, _ = found([*user(-500, 4000), *refused, *user(4600, 10_500)])
    assert outages == [(OutageKind.REFUSING, 4010, 4500, 40)]  # (4400 + 4600) / 2


def test_a_target_that_is_gone():
    failed = [(at, at + 1, "lost") for at in range(3000, 10_000)]
    outages, result = found(user(-500, 3000) + failed)
    assert outages == [(OutageKind.FAILING, 3000, 10_000, 7000)]
    assert result.share == pytest.approx(0.3)


def test_single_refusals_among_good_answers_are_no_outage():
    refused = [(at, at + 2, "refused") for at in range(0, 10_000, 7)]
    assert found(user(-500, 10_500) + refused)[0] == []


def test_outages_do_not_overlap():
    result = availability(exchanges(user(-500, 3000) + [(3000, None, "lost")] * 2), WINDOW)
    assert all(isinstance(outage, OutageSpan) for outage in result.outages)
    assert result.longest().start_ns == 3000 * MS


def test_a_short_row_of_refusals_is_an_outage_where_they_are_rare():
    # Four users, refused twice each from 4.0 to 4.2 s and never else: 8 of some 7900.
    rows = [row for _ in range(4) for row in (*user(0, 4000), *user(4200, 10_000))]
    rows += [(at, at + 1, "refused") for at in range(4000, 4200, 25)]
    (outage,), result = found(rows)
    assert outage[0] is OutageKind.REFUSING
    assert result.share == pytest.approx(0.98, abs=0.005)


def test_short_rows_of_refusals_are_chance_where_they_are_many():
    # Every third request of one user is refused, and now and then eight in a row.
    rows = [(at, at + 10, "refused" if at % 30 == 0 or 5000 <= at < 5080 else "good") for at in range(0, 10_000, 10)]
    assert found(rows)[0] == []


@pytest.mark.parametrize(
    ("failures", "ended", "least"),
    [(2, 1000, None), (80, 4000, 6), (300, 1000, 10), (5, 5, 10), (4, 100_000, 3)],
)
def test_how_many_in_a_row_are_no_chance(failures, ended, least):
    # 80 of 4000: 4000 x 0.02^6 = 2.6e-7, of five in a row 1.3e-5. 4 of 100 000: 1e5 x (4e-5)^3 = 6.4e-9.
    assert _fewest_in_a_row(failures, ended) == least
