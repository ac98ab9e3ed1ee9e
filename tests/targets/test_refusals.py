from __future__ import annotations

from targets.servers.refusals import TokenBucket

S = 1_000_000_000


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    bucket = TokenBucket(rate_per_s=100, burst=5, now_ns=0)
    assert [bucket.take(0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not bucket.take(S // 100 - 1)
    assert bucket.take(S // 100)
    assert not bucket.take(S // 100)


def test_what_was_not_used_is_kept_only_up_to_the_burst() -> None:
    bucket = TokenBucket(rate_per_s=100, burst=5, now_ns=0)
    assert sum(bucket.take(60 * S) for _ in range(100)) == 5


def test_in_the_long_run_no_more_than_the_rate_goes() -> None:
    bucket = TokenBucket(rate_per_s=100, burst=5, now_ns=0)
    taken = sum(bucket.take(ms * 1_000_000) for ms in range(10_000))
    assert taken == 5 + 999, "ten seconds at a hundred a second, the first instant with the burst"
