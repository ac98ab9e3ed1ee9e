"""Sentences about the faults of the recommended point, of which its trials show different amounts."""

import msgspec
from answers_of import point_of

from harness.judge.checks.case import finding
from harness.judge.checks.harm import HARMED
from harness.judge.checks.service import UNAVAILABLE
from harness.judge.conclusions.caveats import caveats
from harness.judge.findings import Verdict


def point_with(kind, share, *found):
    """A point with a trial of 10 s for each of `found`, in which a finding has that share; None: there is no finding.

    The point has the finding of its worst trial, as `of_its_trials` gives it.
    """
    findings = [() if each is None else (finding(kind, Verdict.DEGRADED, "", "", **{share: each}),) for each in found]
    point = point_of(rates=[1000.0] * len(found))
    trials = tuple(
        msgspec.structs.replace(trial, findings=each) for trial, each in zip(point.trials, findings, strict=True)
    )
    worst = finding(kind, Verdict.DEGRADED, "", "", **{share: min(each for each in found if each is not None)})
    return msgspec.structs.replace(point, trials=trials, findings=(worst,))


def said(point):
    return [each.replace("\u202f", " ") for each in caveats(point)]


def test_shares_of_the_time_are_those_of_all_trials():
    # By hand: (0.4 + 0.8 + 1 + 1) / 4 = 0.8, and (0.1 + 1 + 1 + 1 + 1) / 5 = 0.82.
    assert said(point_with(HARMED, "usable", 0.4, 0.8, None, None)) == [
        "Target and load ran undisturbed for only 80 % of the time."
    ]
    assert said(point_with(UNAVAILABLE, "available", None, 0.1, None, None, None)) == [
        "It was available for 82 % of the time."
    ]


def test_longer_trials_count_more():
    point = point_with(HARMED, "usable", 0.4, 1.0)
    first, second = point.trials
    trials = (msgspec.structs.replace(first, seconds=30.0), second)  # by hand: (30 x 0.4 + 10 x 1) / 40
    assert said(msgspec.structs.replace(point, trials=trials)) == [
        "Target and load ran undisturbed for only 55 % of the time."
    ]
