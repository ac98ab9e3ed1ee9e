"""Secrets that a command line names are held by the environment, and by nothing else."""

import os

import pytest

from harness.errors import UserError
from harness.measure.load.locust.__main__ import ignored_variables
from harness.system.named_secrets import hidden_query_secrets, with_named_secrets, without_named_secrets
from harness.wire.server_url import parse_url

HELD = "SWEEPSPOT_SECRET_API_KEY"
URL = "http://h:1/p?api_key=abc%20def1&n=2"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h:1/p?api_key=abcdef1", "http://h:1/p?api_key=..."),
        ("http://h/p?q=sentence&key=abcdef1&n=2", "http://h/p?q=sentence&key=...&n=2"),
        ("run --target 'http://h/p?Access-Token=abcdef1' -x", "run --target 'http://h/p?Access-Token=...' -x"),
        ("http://h/p?X-Amz-Signature=abcdef1", "http://h/p?X-Amz-Signature=..."),
        ("http://a/p?key=abcdef1,http://b/p?key=abcdef2", "http://a/p?key=...,http://b/p?key=..."),
        ("http://h/p?key=a&monkey=abcdefg", "http://h/p?key=a&monkey=abcdefg"),  # too short for a secret; another word
        ("http://h/p?key=$SWEEPSPOT_SECRET_KEY", "http://h/p?key=$SWEEPSPOT_SECRET_KEY"),
        ("sweep concurrency=1,2", "sweep concurrency=1,2"),
    ],
)
def test_values_that_are_named_as_secrets_are_not_shown(text, shown):
    assert hidden_query_secrets(text) == shown


def test_a_secret_in_a_query_is_sent_and_is_in_no_text():
    (kept,) = without_named_secrets([URL])
    assert kept == f"http://h:1/p?api_key=${HELD}&n=2"
    assert without_named_secrets([kept]) == [kept]
    url = parse_url(kept)
    assert url.path == "/p?api_key=abc%20def1&n=2"
    assert "def1" not in f"{url} {url!r}"
    assert "abc%20def1" in url.access.secrets  # hidden where a server repeats it


def test_two_values_of_one_name_are_told_apart():
    one, two = without_named_secrets([URL, URL.replace("def1", "def2")])
    assert (with_named_secrets(one), with_named_secrets(two)) == (URL, URL.replace("def1", "def2"))


@pytest.mark.parametrize(
    ("words", "held"),
    [
        (["--body", '{"user": "me", "password": "open sesame"}'], "open sesame"),
        (["--body", "user=me&password=opensesame"], "opensesame"),
        (["--body=token=opensesame"], "opensesame"),
        (["--form", "api_key=opensesame"], "opensesame"),
    ],
)
def test_a_secret_in_a_body_comes_back_whole(words, held):
    kept = without_named_secrets(words)
    assert held not in " ".join(kept)
    assert [with_named_secrets(word) for word in kept] == words


@pytest.mark.parametrize(
    "words",
    [
        ["--form", "token=@file.bin"],
        ["key=abcdefg"],
        ["--body", '{"text": "password", "token": "{column}"}'],
        ["http://h/p?key={workers}"],
    ],
)
def test_what_is_no_secret_stays(words):
    assert without_named_secrets(words) == words


def test_a_secret_that_is_not_there_is_named():
    with pytest.raises(UserError, match=HELD):
        parse_url(f"http://h:1/p?api_key=${HELD}")


def test_a_load_process_keeps_secrets_and_no_setting(monkeypatch):
    monkeypatch.setitem(os.environ, HELD, "opensesame")
    monkeypatch.setitem(os.environ, "SWEEPSPOT_TIMEOUT", "1ms")
    assert HELD not in ignored_variables()
    assert "SWEEPSPOT_TIMEOUT" in ignored_variables()
