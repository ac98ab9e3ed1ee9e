"""Lengths of time: one reader, and one writer of what it reads."""

import pytest

from harness.errors import UserError
from harness.plan.option_text import parse_positive_seconds, parse_seconds, seconds_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1500ms", 1.5), ("2.5s", 2.5), ("2.5", 2.5), ("1.5m", 90.0), ("1h", 3600.0), ("50us", 5e-5)],
)
def test_a_length_is_read_in_any_unit(text, seconds):
    assert parse_seconds(text, "--timeout") == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2s"), (0.5, "0.5s"), (2.5, "2.5s"), (600.0, "600s"), (1e-5, "0.00001s"), (123456.75, "123456.75s")],
)
def test_a_length_is_written_as_it_is_read(seconds, text):
    assert seconds_text(seconds) == text
    assert parse_seconds(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["0s", "-1s", "soon", "nan", "1e3s", "8d"])
def test_what_is_no_length_of_time_names_the_flag(text):
    with pytest.raises(UserError, match=r"^--timeout "):
        parse_positive_seconds(text, "--timeout")
