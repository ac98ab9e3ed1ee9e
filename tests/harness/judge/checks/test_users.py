"""Users who are added while a test runs."""

import pytest
from evidence_of import closed_loop, evidence_of, report_of, summarise_trial

from harness.judge.findings import Verdict
from harness.plan.arrivals import Closed

ROWS = closed_loop()


def added(*processes, asked=10, **more):
    """The finding on load processes with these (fewest, most) users; None where there is none."""
    reports = tuple(
        report_of(ROWS, 10.0, worker=worker, users_lowest=lowest, users_highest=highest, **more)
        for worker, (lowest, highest) in enumerate(processes)
    )
    found = summarise_trial(evidence_of(ROWS, arrivals=Closed(users=asked), reports=reports), None).findings
    return next((each for each in found if each.kind == "added_users"), None)


@pytest.mark.parametrize(
    ("processes", "most", "verdict"),
    [
        ([(10, 50)], 50, Verdict.INVALID),
        ([(100, 105)], 105, Verdict.DEGRADED),  # 5 % more
        ([(20, 20)], 20, Verdict.INVALID),  # added before the measured time
        ([(5, 25), (5, 25)], 30, Verdict.INVALID),  # when one had 25, the other had 5 or more
    ],
)
def test_users_that_were_added_are_told(processes, most, verdict):
    asked = 100 if most == 105 else 10
    finding = added(*processes, asked=asked)
    assert finding.verdict is verdict
    assert finding.data == {"asked": asked, "most": most}


@pytest.mark.parametrize("processes", [[(10, 10)], [(4, 10)], [(4, 8), (2, 6)], [(10, None)]])
def test_users_that_only_moved_or_left_are_not_added(processes):
    assert added(*processes) is None


def test_the_users_of_a_lost_worker_move_to_the_others():
    assert added((5, 10), (5, 5), final=False) is None
