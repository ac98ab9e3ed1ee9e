from pathlib import Path

import pytest

from targets.models.fingerprint import fingerprint

CODE = '"""A module."""\n\n\ndef double(x):\n    """Twice x."""\n    return 2 * x\n'


def hash_of(folder: Path, source: str, *facts: str) -> str:
    file = folder / "code.py"
    file.write_text(source)
    return fingerprint([file], *facts)


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("Twice x.", "The double of x."),
        CODE.replace('    """Twice x."""\n', ""),
        CODE.replace("2 * x", "2 * x  # a product"),
        CODE.replace("\n\n\n", "\n"),
    ],
)
def test_words_about_the_code_leave_the_fingerprint_alone(tmp_path: Path, same: str) -> None:
    assert same != CODE
    assert hash_of(tmp_path, same) == hash_of(tmp_path, CODE)


@pytest.mark.parametrize("other", [CODE.replace("2 * x", "3 * x"), CODE + '\n\nNAME = "double"\n', ""])
def test_other_code_has_another_fingerprint(tmp_path: Path, other: str) -> None:
    assert hash_of(tmp_path, other) != hash_of(tmp_path, CODE)


def test_facts_count_each_by_itself(tmp_path: Path) -> None:
    assert len({hash_of(tmp_path, CODE, *facts) for facts in ((), ("ab",), ("a", "b"), ("b", "a"))}) == 4
