"""Texts of errors."""

from harness.errors import printable


def test_a_terminal_obeys_no_word_of_a_server():
    assert printable("a\x1b[2J\nb\t1\u202f000 \x07\x9b") == "a\\x1b[2J\nb\t1\u202f000 \\x07\\x9b"
