"""Checks whether all users were running, and whether their tasks ended without an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.checks.case import added_counts, finding, grade
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import grouped

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding

MISSING_USERS = FindingKind("missing_users", "Users were missing")
ADDED_USERS = FindingKind("added_users", "Users were added")
TASK_ERRORS = FindingKind("task_errors", "Tasks of users raised exceptions")
DIFFERING_SHARE = (0.0, 0.10)  # (degraded above, invalid above): the load is that of other users


def running_users(case: TrialCase) -> int | None:
    """The fewest users who ran in the measured window; None where that is not known."""
    lowest = [report.users_lowest for report in case.data.reports]
    return None if not lowest or None in lowest else sum(filter(None, lowest))


def most_users(case: TrialCase) -> int | None:
    """How many users ran at once for a time, at least; None where that is not known, as after the loss of a worker.

    Load processes had their most users at different times: when one had its most, each other had its fewest or more.
    """
    reports, fewest = case.data.reports, running_users(case)
    risen = [(report.users_highest or 0) - (report.users_lowest or 0) for report in reports]
    return None if fewest is None or not all(report.final for report in reports) else fewest + max(risen)


def missing_users(case: TrialCase) -> Finding | None:
    """Closed loop: fewer users were running than were requested."""
    there, asked = running_users(case), case.closed.users if case.closed else 0
    if there is None or there >= asked:
        return None
    why = most_raised(case)
    text = (
        f"{grouped(asked)} users were requested, but only {grouped(there)} were running: all figures are those of "
        f"{grouped(there)}{f' (users raised {why})' if why else ''}."
    )
    remedy = "Look into load.log why users ended or were never started: on_start, a load shape, StopUser."
    verdict = grade(1 - there / asked, *DIFFERING_SHARE)
    return finding(MISSING_USERS, verdict, text, remedy, there=there, asked=asked)


def added_users(case: TrialCase) -> Finding | None:
    """Closed loop: more users were running, for a time at least, than were requested."""
    most, asked = most_users(case), case.closed.users if case.closed else 0
    if most is None or not 0 < asked < most:
        return None
    text = (
        f"{grouped(asked)} users were requested, but at least {grouped(most)} were running for a time: the figures are "
        "not those of one number of users."
    )
    remedy = "Begin a new test for another number of users; do not add any while one runs."
    return finding(ADDED_USERS, grade(most / asked - 1, *DIFFERING_SHARE), text, remedy, most=most, asked=asked)


def task_errors(case: TrialCase) -> Finding | None:
    """Tasks ended with an exception, so that users did not do all that the scenario says."""
    count = sum(sum(report.task_errors.values()) for report in case.data.reports)
    if not count:
        return None
    several = "s" if count > 1 else ""
    text = f"Tasks of users raised {grouped(count)} exception{several}; most often {most_raised(case)}."
    remedy = "Users did less than the scenario says: correct its tasks; load.log has the tracebacks."
    return finding(TASK_ERRORS, Verdict.DEGRADED, text, remedy, count=count)


def most_raised(case: TrialCase) -> str:
    """The exception that was raised most often, with its line; empty where there was none."""
    counts = added_counts(report.task_errors for report in case.data.reports)
    return max(counts, key=counts.__getitem__, default="")
