"""Prompts of the user's own, in the forms that data sets have."""

import pytest

from harness.errors import UserError
from harness.wire.prompt_bank import PromptBank

SHAREGPT = '[{"id": "a", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}]'
MESSAGES = '{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]}'


@pytest.mark.parametrize(
    ("name", "content", "prompts"),
    [
        ("a.jsonl", b'{"prompt": "What is up?"}\n\n{"prompt": "And you?"}\n', ("What is up?", "And you?")),
        ("a.jsonl", MESSAGES.encode(), ("hi",)),
        ("a.jsonl", b'"one"\n{"question": "two"}\n', ("one", "two")),
        ("a.json", SHAREGPT.encode(), ("hi",)),
        ("a.json", b'\xef\xbb\xbf["one", {"text": "two"}]', ("one", "two")),
        ("a.txt", b"\xef\xbb\xbfhello\r\nworld", ("hello", "world")),
        ("a.txt", "one\u2028line\x0bwith\x0cfeeds\n".encode(), ("one\u2028line\x0bwith\x0cfeeds",)),
        ("a.txt", "Grüße\n".encode("utf-16"), ("Grüße",)),
        ("a.txt", b"\n\n  \nhello there\n\nsecond\n", ("hello there", "second")),
    ],
)
def test_prompts_are_read_as_what_they_are(tmp_path, name, content, prompts):
    (tmp_path / name).write_bytes(content)
    assert PromptBank.load(tmp_path / name).prompts == prompts


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "Grüße aus Köln\n".encode("latin-1"), "utf-8.*UTF-8 text file"),
        ("a.txt", b"", "it holds no prompts"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt"\n', "not a readable bank"),
        ("a.jsonl", b'{"id": 7}\n', "no prompt in"),
        ("a.json", b'[{"conversations": [{"from": "gpt", "value": "hello"}]}]', "no prompt in"),
    ],
)
def test_others_are_refused_in_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"prompts .*{says}") as caught:
        PromptBank.load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_bank_with_continuations_comes_back(tmp_path):
    bank = PromptBank(model="m", prompts=("a", "b"), expected=("c", "d"))
    bank.save(tmp_path / "bank.json")
    assert PromptBank.load(tmp_path / "bank.json") == bank
