"""Users and their exceptions, counted."""

from harness.measure.load.user_counts import MOST_TEXTS, UserCounts


def test_the_fewest_and_the_most_users_are_kept():
    counts = UserCounts()
    assert (counts.lowest, counts.highest) == (None, None)
    for seen in (8, 3, 8):
        counts.see(seen)
    assert (counts.lowest, counts.highest) == (3, 8)


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_exceptions_are_counted_by_type_and_line_without_their_text():
    counts = UserCounts()
    for _ in range(3):
        counts.raised(raised(KeyError("a secret")))
    counts.raised(ValueError("never raised"))
    (first, second) = counts.exceptions.items()
    assert first[0].startswith("KeyError (test_user_counts.py:")
    assert first[1] == 3
    assert second == ("ValueError", 1)


def test_there_are_not_endlessly_many_texts():
    counts = UserCounts()
    for number in range(MOST_TEXTS + 5):
        counts.raised(type(f"Error{number}", (Exception,), {})())
    assert counts.exceptions["other"] == 5
