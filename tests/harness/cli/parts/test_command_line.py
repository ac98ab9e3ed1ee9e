"""What a run's record keeps of the command line."""

import pytest

from harness.cli.parts.command_line import as_typed, names_given_file, recorded_command_line, require_utf8
from harness.errors import UserError

SECRET = "pl4nted"


@pytest.mark.parametrize("words", [["--header", f"X-Api-Key: {SECRET}"], [f"--header=X-Api-Key: {SECRET}"]])
def test_the_value_of_a_header_is_not_kept(words):
    kept = recorded_command_line(["run", *words, "--seconds", "1s"])
    assert SECRET not in kept
    assert "X-Api-Key: ..." in kept
    assert kept.endswith("--seconds 1s")


def test_the_name_of_a_file_or_a_variable_is_kept():
    words = ["run", "--header", "X-Api-Key: @key.txt", "--header=Other: $KEY", "x=1"]
    assert recorded_command_line(words) == (
        "python -m harness run --header 'X-Api-Key: @key.txt' '--header=Other: $KEY' x=1"
    )


@pytest.mark.parametrize(
    ("started", "name"), [("/opt/bin/sweepspot", "sweepspot"), ("x/__main__.py", "python -m harness")]
)
def test_commands_are_named_as_the_user_typed_them(started, name, monkeypatch):
    monkeypatch.setattr("sys.argv", [started, "sweep"])
    assert as_typed("`harness knobs` lists them; `python -m harness run` measures") == (
        f"`{name} knobs` lists them; `{name} run` measures"
    )


def test_an_argument_that_no_file_could_hold_is_refused():
    require_utf8(["--out", "/tmp/ré", "--body", "\n\t"])
    with pytest.raises(UserError, match=r"'/tmp/a\\udcff': this argument is not UTF-8"):
        require_utf8(["--out", b"/tmp/a\xff".decode(errors="surrogateescape")])
    with pytest.raises(UserError, match=r"^TMPDIR='/tmp/a\\udcff' is not UTF-8"):
        require_utf8([], b"/tmp/a\xff".decode(errors="surrogateescape"))


@pytest.mark.parametrize(
    ("name", "given"),
    [("/a/b", True), ("body.json", True), ("/run/run.json", True), ("/run/trials/x", False), (None, False), (3, False)],
)
def test_a_file_that_the_user_named_is_known(name, given):
    error = OSError(36, "File name too long", name)
    assert names_given_file(error, ["run", "--out=/a/b", "--body", "@body.json", "/run"]) is given
