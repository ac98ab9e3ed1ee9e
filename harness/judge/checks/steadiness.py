"""Checks that throughput and response times were steady."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.checks.case import finding
from harness.judge.checks.target import saturated
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, milliseconds, percent
from harness.judge.numbers.target.slowdown import slowdown
from harness.judge.stats.steady_state import TOLERATED_CHANGE, find_steady_state
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.numbers.trial_rows import TrialRows
    from harness.judge.stats.steady_state import SteadyState

SLOWDOWN = FindingKind("slowdown", "The target became slower and slower")
UNSTEADY = FindingKind("unsteady", "No steady state")
MOST_WINDOWS = 120
FEW_WINDOWS = 60
MS_PER_S = 1e3
REQUESTS_PER_WINDOW = 50
FEWEST_PER_WINDOW = 10  # for a median
ROUNDS_PER_WINDOW = 5  # each user's responses in a window, so that the rhythm of batches does not look like change


def unsteady(case: TrialCase) -> Finding | None:
    """Under a load that does not change, throughput or the median response time did."""
    if case.rows is None or not case.stationary:
        return None
    count = _windows(case, MOST_WINDOWS)
    series = {"throughput": _throughput(case.rows, count), "the median response time": _medians(case.rows, count)}
    for what, windows in series.items():
        state = find_steady_state(windows)
        if state is not None and state.start != 0:
            if slower_and_slower(case) is not None:
                return None
            return _finding(what, state, case.rows.window.seconds / count, _share_of_change(windows, state))
    return None


def slower_and_slower(case: TrialCase) -> Finding | None:
    """Under a load that does not change the median response time rose all the time, and not since a queue grew."""
    if case.rows is None or not case.stationary or (case.open_loop and saturated(case) is not None):
        return None
    enough = min(REQUESTS_PER_WINDOW, max(FEWEST_PER_WINDOW, len(case.rows.judged) // FEW_WINDOWS))
    rise = slowdown(_medians(case.rows, _windows(case, FEW_WINDOWS, enough)))
    if rise is None:
        return None
    text = (
        f"The target became slower and slower: within {figure(case.rows.window.seconds)} s the median response time "
        f"rose from {milliseconds(rise.first * MS_PER_S, 3)} to {milliseconds(rise.last * MS_PER_S, 3)}, by "
        f"{percent(rise.factor - 1)}, and goes on rising."
    )
    remedy = "No warm-up helps: look for what grows in the target. The figures are those of this length of time only."
    verdict = Verdict.DEGRADED if rise.factor > 1 + TOLERATED_CHANGE else Verdict.VALID
    return finding(SLOWDOWN, verdict, text, remedy, factor=rise.factor)


def _windows(case: TrialCase, most: int, requests: int = REQUESTS_PER_WINDOW) -> int:
    """Into how many windows of so many `requests` or more they can be divided."""
    users = case.closed.users if case.closed else 1
    per_window = max(requests, ROUNDS_PER_WINDOW * users)
    return min(most, len(case.rows.judged) // per_window) if case.rows else 0


def _share_of_change(windows: NDArray[np.float64], state: SteadyState) -> float:
    """By what share of itself the mean of all windows is off for the change; for one without an end, by half of it."""
    if state.start is None:
        return state.change / 2
    return float(windows.mean()) / float(windows[state.start :].mean()) - 1.0


def _finding(what: str, state: SteadyState, window_s: float, off_by: float) -> Finding:
    if state.start is None:
        text = (
            f"There was no steady state: {what} was {state.motion} ({_signed(state.change)} within the measured time)."
        )
        remedy = "Warm up longer (--warmup) and measure longer (--seconds); look for what else the machine was doing."
        return finding(UNSTEADY, Verdict.DEGRADED, text, remedy, change=state.change, off_by=off_by)
    start_s = state.start * window_s
    text = f"In the first {figure(start_s)} s {what} was {state.motion} ({_signed(state.change)} on the whole)."
    remedy = f"Warm up for {figure(start_s)} s more (--warmup)."
    data = {"change": state.change, "start_s": start_s, "off_by": off_by}
    return finding(UNSTEADY, Verdict.DEGRADED, text, remedy, **data)


def _signed(change: float) -> str:
    return f"{'+' if change > 0 else '-'}{percent(abs(change))}"


def _throughput(rows: TrialRows, count: int) -> NDArray[np.float64]:
    every = rows.everything
    return rows.rates_of(every["done_ns"][every.outcome_is(Outcome.OK)], count) if count else np.empty(0)


def _medians(rows: TrialRows, count: int) -> NDArray[np.float64]:
    """Median response in seconds (count,) of equally many consecutive requests."""
    known = rows.judged.where(rows.judged["done_ns"] != ABSENT)
    response_s = (known["done_ns"] - known["due_ns"]) / NS_PER_S
    if not count:
        return np.empty(0)
    length = response_s.size // count
    medians: NDArray[np.float64] = np.median(response_s[: count * length].reshape(count, length), axis=1)
    return medians
