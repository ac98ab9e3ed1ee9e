"""The words of a line of progress."""

import pytest
from answers_of import trial_of

from harness.judge.findings import Finding, Verdict
from harness.record.load_report import Live
from harness.run.trial_events import live_text, result_text, words_of


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


def test_long_times_are_not_written_in_powers_of_ten():
    text = live_text(Live(seconds=8.0, answered=8, failed=0, p50_ms=4470.0, p99_ms=12_340.0))
    assert text.replace("\u202f", " ") == "after 8 s: 1 req/s, p50 4 470 ms, p99 12.3 s"


def test_slow_rates_are_not_rounded_to_nothing():
    # 14 responses in 10 s; one in 3 s
    live = live_text(Live(seconds=10.0, answered=14, failed=0, p50_ms=None, p99_ms=None))
    assert live == "after 10 s: 1.4 req/s"
    assert result_text(trial_of(1 / 3)) == "0.333 req/s, nothing timed"
    assert result_text(trial_of(9104.0)).replace("\u202f", " ") == "9 100 req/s, nothing timed"
