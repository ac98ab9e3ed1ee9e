"""Was there a steady state to measure?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.checks.case import finding
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, percent
from harness.judge.stats.mean_intervals import batch_rates
from harness.judge.stats.steady_state import find_steady_state
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.numbers.trial_rows import TrialRows
    from harness.judge.stats.steady_state import SteadyState

MOST_WINDOWS = 120
REQUESTS_PER_WINDOW = 50
ROUNDS_PER_WINDOW = 5  # each user's answers in a window, so that the rhythm of batches does not look like change


def unsteady(case: TrialCase) -> Finding | None:
    """Under a load that does not change, throughput or the median response time did."""
    if case.rows is None or not case.stationary:
        return None
    users = case.closed.users if case.closed else 1
    per_window = max(REQUESTS_PER_WINDOW, ROUNDS_PER_WINDOW * users)
    count = min(MOST_WINDOWS, len(case.rows.due) // per_window)
    series = {"throughput": _throughput(case.rows, count), "the median response time": _medians(case.rows, count)}
    for what, windows in series.items():
        state = find_steady_state(windows)
        if state is not None and state.start != 0:
            return _finding(what, state, case.rows.window.seconds / count)
    return None


def _finding(what: str, state: SteadyState, window_s: float) -> Finding:
    if state.start is None:
        text = (
            f"There was no steady state: {what} was {state.motion} ({_signed(state.change)} within the measured time)."
        )
        remedy = "Warm up longer (--warmup) and measure longer (--seconds); look for what else the machine was doing."
        return finding(FindingKind.UNSTEADY, Verdict.DEGRADED, text, remedy, change=state.change)
    start_s = state.start * window_s
    text = f"In the first {figure(start_s)} s {what} was {state.motion} ({_signed(state.change)} on the whole)."
    remedy = f"Warm up for {figure(start_s)} s more (--warmup)."
    return finding(FindingKind.UNSTEADY, Verdict.DEGRADED, text, remedy, change=state.change, start_s=start_s)


def _signed(change: float) -> str:
    return f"{'+' if change > 0 else '-'}{percent(abs(change))}"


def _throughput(trial: TrialRows, count: int) -> NDArray[np.float64]:
    rows = trial.everything
    done_ns = np.sort(rows["done_ns"][rows.outcome_is(Outcome.OK)])
    return batch_rates(done_ns, trial.window.start_ns, trial.window.end_ns, count) if count else np.empty(0)


def _medians(trial: TrialRows, count: int) -> NDArray[np.float64]:
    """Median response in seconds (count,) of equally many consecutive requests."""
    known = trial.due.where(trial.due["done_ns"] != ABSENT)
    response_s = (known["done_ns"] - known["due_ns"]) / NS_PER_S
    if not count:
        return np.empty(0)
    length = response_s.size // count
    medians: NDArray[np.float64] = np.median(response_s[: count * length].reshape(count, length), axis=1)
    return medians
