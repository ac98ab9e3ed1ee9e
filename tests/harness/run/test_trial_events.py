"""The words of a line of progress."""

import pytest

from harness.judge.findings import Finding, Verdict
from harness.run.trial_events import words_of


def harmed(**shares):
    return Finding(kind="harmed", title="", verdict=Verdict.INVALID, text="", remedy="", data=shares)


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (harmed(processes=0.4, generator=0.2, usable=0.1), "machine busy"),
        (harmed(generator=0.2, usable=0.1), "load generator held up"),
        (harmed(usable=0.1), "machine busy"),
    ],
)
def test_a_generator_that_was_held_up_is_no_busy_machine(finding, words):
    assert words_of(finding) == words
