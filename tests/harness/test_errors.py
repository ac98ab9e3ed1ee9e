"""Texts of errors."""

from harness.errors import escaped


def test_a_terminal_obeys_no_word_of_a_server():
    assert escaped("a\x1b[2J\nb\t1\u202f000 \x07\x9b") == "a\\x1b[2J\nb\t1\u202f000 \\x07\\x9b"
