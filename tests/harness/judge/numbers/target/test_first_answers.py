"""First requests against later ones, listed by hand."""

import numpy as np
import pytest

from harness.judge.numbers.target.first_answers import first_of_connections, unseen_payloads

MS = 1_000_000


def columns(rows):
    return [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]


def cached(first_ms, repeat_ms, level=lambda _at: 1.0):
    """100 payloads, one new one each 20 requests; the first request takes `first_ms`, the others `repeat_ms`."""
    rows, seen = [], set()
    for at in range(2000):
        payload = at // 20 if at % 20 == 0 else at % max(1, at // 20)
        took = (repeat_ms if payload in seen else first_ms) * level(at)
        seen.add(payload)
        rows.append((payload, at * MS, round(took * MS)))
    return columns(rows)


def test_a_cache_is_seen():
    found = unseen_payloads(*cached(40, 2))
    assert found.ratio == pytest.approx(20)
    assert (found.first_ns / MS, found.other_ns / MS) == pytest.approx((40, 2))
    assert found.count > 90


def test_no_cache():
    assert unseen_payloads(*cached(5, 5)).ratio == pytest.approx(1)


def test_a_server_that_warms_up_is_no_cache():
    # Ten times slower in the beginning, when nearly all first requests come, whoever asks for what.
    found = unseen_payloads(*cached(5, 5, level=lambda at: 10.0 if at < 1500 else 1.0))
    assert found.ratio == pytest.approx(1)


def test_a_bank_that_is_asked_in_turns():
    rows = [(at % 300, at * 2 * MS, (40 if at < 300 else 2) * MS) for at in range(1000)]
    assert unseen_payloads(*columns(rows)).ratio == pytest.approx(20)


def test_a_small_bank_and_a_slow_start_are_no_cache():
    rows = [(at % 40, at * MS, (40 if at < 40 else 2) * MS) for at in range(1000)]
    assert unseen_payloads(*columns(rows)) is None


def test_one_hold_up_while_the_last_payloads_are_new_is_no_cache():
    # 100 requests a millisecond; those due at 2.0 to 2.8 ms, the last new payloads, are held up for 14 ms.
    rows = [(at % 280, at * MS // 100, (14 if 200 <= at < 280 else 3) * MS) for at in range(5000)]
    assert unseen_payloads(*columns(rows)) is None


def test_all_payloads_new_or_all_asked_before():
    rows = [(at, at * MS, 5 * MS) for at in range(500)]
    assert unseen_payloads(*columns(rows)) is None
    assert unseen_payloads(*columns([(0, at * MS, 5 * MS) for at in range(500)])) is None


def test_the_first_request_of_a_connection():
    rows = [(user, at * MS, (400 if at == user else 5) * MS) for user in range(8) for at in range(user, 1000)]
    found = first_of_connections(*columns(rows))
    assert (found.count, found.first_ns / MS, found.other_ns / MS, found.ratio) == (8, 400, 5, 80)


def test_one_request_each_says_nothing():
    assert first_of_connections(*columns([(user, 0, 5 * MS) for user in range(8)])) is None


def in_turns(took_ms, payloads=256, count=5000, users=8):
    """`users` ask for `payloads` in turns; the request with number n takes `took_ms(n)`."""
    free_at, rows = [0.0] * users, []
    for number in range(count):
        user = min(range(users), key=free_at.__getitem__)
        rows.append((number % payloads, round(free_at[user] * MS), round(took_ms(number) * MS)))
        free_at[user] += took_ms(number)
    return columns(rows)


@pytest.mark.parametrize("warm_at", [50, 180, 230, 240, 270])
def test_a_cold_start_that_ends_about_when_the_first_payload_comes_again_is_no_cache(warm_at):
    found = unseen_payloads(*in_turns(lambda number: 4 if number < warm_at else 0.3))
    assert found is None or found.ratio < 4


def test_a_core_that_is_taken_away_now_and_then_is_no_cache():
    # As a busy machine does it: groups of requests wait 4 ms for a core, mostly in the beginning.
    held_up = lambda number: (number // 16) % 3 < 2 and number < 250  # noqa: E731
    found = unseen_payloads(*in_turns(lambda number: 4 if held_up(number) else 0.3))
    assert found is None or found.ratio < 4


def test_a_cache_of_payloads_in_turns_is_seen_beside_hold_ups():
    took_ms = lambda number: 6 if number < 256 or number % 40 == 0 else 0.3  # noqa: E731
    assert unseen_payloads(*in_turns(took_ms)).ratio == pytest.approx(20, rel=0.05)
