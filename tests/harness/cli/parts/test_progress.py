"""Progress in a log, where standard error is no terminal."""

from harness.cli.parts.progress import PlainProgress
from harness.run.events import Note, RunStarted, TrialEnded, TrialProgress, TrialSkipped, TrialStarted


def lines(capsys, *events):
    show = PlainProgress()
    for event in events:
        show(event)
    return capsys.readouterr().err.splitlines()


def test_a_trial_with_steps_is_announced_and_has_some_lines_where_it_is_the_only_one(capsys):
    steps = [TrialProgress("seed 1", f"epoch {number}/20", step=number, left_s=65.0) for number in range(1, 21)]
    failed = TrialEnded("seed 1", "", "the trainer died with exit code 9", left_s=0.0)
    told = lines(capsys, RunStarted(1), TrialStarted("seed 1", steps=20), *steps, failed)
    assert told[0] == "[1/1] seed 1 ..."
    assert told[1] == "  seed 1, epoch 1/20, 1:05 left"
    assert len(told) == 1 + 11 + 1  # the first epoch, and every second
    assert told[-1] == "[1/1, 0:00 left] seed 1: FAILED: the trainer died with exit code 9"


def test_a_trial_of_several_is_silent_until_it_ends_or_ten_seconds_have_passed(capsys):
    steps = [TrialProgress("seed 1", f"epoch {number}/20", step=number, left_s=65.0) for number in range(1, 21)]
    told = lines(capsys, RunStarted(2), TrialStarted("seed 1", steps=20), *steps)
    assert told == ["[1/2] seed 1 ..."]


def test_trials_that_are_skipped_are_not_waited_for(capsys):
    told = lines(
        capsys, RunStarted(3), TrialStarted("32 users"), TrialEnded("32 users", "9 req/s"), TrialSkipped(), Note("end")
    )
    assert told[0].startswith("[1/3, ")
    assert told[0].endswith("] 32 users: 9 req/s")
    assert told[1:] == ["end"]


def test_a_run_of_unknown_length_counts_only_what_has_ended(capsys):
    ended = (TrialEnded("a", "done"), TrialEnded("b", "done", trials=2))
    assert lines(capsys, RunStarted(None), *ended, TrialStarted("c", steps=20)) == [
        "[1] a: done",
        "[3] b: done",
        "[4] c ...",
    ]


def test_why_trials_are_invalid_is_said_in_full_the_first_time(capsys):
    ended = TrialEnded("8 users", "9 req/s, INVALID: machine busy", why="machine busy: Others ran. End other work.")
    other = TrialEnded("8 users", "9 req/s, INVALID: wrong responses", why="wrong responses: 3 were wrong.")
    told = lines(capsys, RunStarted(None), ended, ended, other)
    assert [line for line in told if line.startswith(" ")] == [
        "  INVALID: Others ran. End other work.",
        "  INVALID: 3 were wrong.",
    ]
