from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from targets.knobs import FIXED
from targets.servers.fixed.schedule import FaultOutcome, FixedSchedule

if TYPE_CHECKING:
    from harness.plan.knobs import Value

MS = 1_000_000


def schedule(**knobs: Value) -> FixedSchedule:
    return FixedSchedule(FIXED.complete(knobs))


def test_without_limit_each_request_has_its_own_delay() -> None:
    fixed = schedule(delay_ms=5.0)
    assert [fixed.plan(arrived_ms * MS).due_ns // MS for arrived_ms in (0, 1, 1, 9)] == [5, 6, 6, 14]


def test_one_server_is_a_first_come_first_served_queue() -> None:
    """Service 5 ms; arrivals at 0, 1, 2 and 20 leave at 5, 10, 15 and 25."""
    fixed = schedule(delay_ms=5.0, servers=1)
    planned = [fixed.plan(arrived_ms * MS) for arrived_ms in (0, 1, 2, 20)]
    assert [plan.start_ns // MS for plan in planned] == [0, 5, 10, 20]
    assert [plan.due_ns // MS for plan in planned] == [5, 10, 15, 25]


def test_two_servers_take_two_at_a_time() -> None:
    fixed = schedule(delay_ms=5.0, servers=2)
    assert [fixed.plan(0).due_ns // MS for _ in range(5)] == [5, 5, 10, 10, 15]


def test_exponential_service_has_its_mean_and_spread_and_comes_again_with_its_seed() -> None:
    def draws(seed: int) -> list[float]:
        fixed = schedule(delay_ms=4.0, service="exponential", seed=seed)
        return [fixed.plan(0).due_ns / MS for _ in range(20_000)]

    times = draws(3)
    mean = sum(times) / len(times)
    assert mean == pytest.approx(4.0, rel=0.03)
    variance = sum((time - mean) ** 2 for time in times) / len(times)
    assert variance == pytest.approx(16.0, rel=0.1)
    assert draws(3) == times
    assert draws(4) != times


def test_what_would_leave_in_a_stall_leaves_at_its_end() -> None:
    """Stalls from 10 to 11 s and 20 to 21 s after the first arrival; none at the start."""
    fixed = schedule(delay_ms=5.0, stall_every_s=10.0, stall_s=1.0)
    start_ms = 3_000
    for arrived_ms, due_ms in ((0, 5), (9_994, 9_999), (9_996, 11_000), (10_990, 11_000), (20_500, 21_000)):
        assert fixed.plan((start_ms + arrived_ms) * MS).due_ns // MS == start_ms + due_ms


def test_it_hangs_for_good_after_the_given_time() -> None:
    fixed = schedule(delay_ms=5.0, hang_after_s=3.0)
    outcomes = [fixed.plan(arrived_ms * MS).outcome for arrived_ms in (100, 3_094, 3_095, 99_000)]
    assert outcomes == [FaultOutcome.OK, FaultOutcome.OK, FaultOutcome.HANG, FaultOutcome.HANG]


def test_faults_have_their_shares() -> None:
    fixed = schedule(error_share=0.1, wrong_share=0.2, reset_share=0.05)
    outcomes = Counter(fixed.plan(0).outcome for _ in range(20_000))
    assert {outcome: round(times / 20_000, 2) for outcome, times in outcomes.items()} == {
        FaultOutcome.OK: 0.65,
        FaultOutcome.ERROR: 0.1,
        FaultOutcome.WRONG: 0.2,
        FaultOutcome.RESET: 0.05,
    }
