from __future__ import annotations

from typing import TYPE_CHECKING

from targets.servers.http.refusals import BURST, PacedRefusals, TokenBucket

S = 1_000_000_000

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.servers.protocols.errors import ProtocolError


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


class Turns:
    """A loop that does nothing by itself."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []

    def call_soon(self, what: Callable[[], None]) -> None:
        self.soon.append(what)

    def call_later(self, seconds: float, what: Callable[[], None]) -> None:
        assert seconds > 0
        self.later.append(what)

    def turn(self) -> None:
        due, self.soon = self.soon, []
        for what in due:
            what()


class Asked:
    def __init__(self) -> None:
        self.refused = 0

    def refuse(self, error: ProtocolError) -> None:
        assert error.status == 503
        self.refused += 1


def test_beyond_the_pace_the_loop_rests_once_a_turn_after_all_were_read() -> None:
    loop, rests, crowd = Turns(), [], [Asked() for _ in range(BURST + 500)]
    refusals = PacedRefusals()
    refusals.start(loop, lambda: rests.append(1))  # type: ignore[arg-type]
    for asked in crowd[:BURST]:
        refusals.add(asked)
    loop.turn()
    assert (sum(asked.refused for asked in crowd), rests) == (BURST, []), "within the pace: at once, and no rest"
    for asked in crowd[BURST:]:
        refusals.add(asked)
    assert rests == []
    loop.turn()
    assert rests == [1]
    loop.turn()
    assert rests == [1], "nobody came"
    refusals.add(Asked())
    loop.turn()
    assert rests == [1, 1]
    assert len(loop.later) == 1
