"""Whatever standard output is, printing to it ends no command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
CODE = "from harness.cli.parts.plain_output import allow_plain_output as f; f(); print('p99 ≤ 50 ms ─ 1–2 → ≈ 3 ✓ ✗ é')"


def test_an_ascii_terminal_gets_ascii():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "p99 <= 50 ms - 1-2 -> ~ 3 v x ?\n"


LONG = """
import sys
from harness.cli.parts.plain_output import allow_plain_output, warn_of_lost_output
allow_plain_output()
for _ in range(20_000):
    print("a line of a table")
print("progress", file=sys.stderr)
warn_of_lost_output()
sys.exit(4)
"""


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">/dev/null", "progress"),
        (">/dev/full", "progress|standard output did not take everything (No space left on device)"),
        (">&-", "progress"),
        ("| head -1 >/dev/null", "progress"),
        ("<&- >&-", "progress"),
    ],
)
def test_a_stream_that_takes_nothing_changes_no_exit_code(redirection, said):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    script = f"set -o pipefail; {sys.executable} -c '{LONG}' {redirection}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.strip().replace("\n", "|") == said


def test_an_error_stream_that_is_full_or_closed_changes_no_exit_code():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    for redirection in ("2>/dev/full", "2>&-"):
        script = f"{sys.executable} -c '{LONG}' {redirection} | tail -1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (4, "a line of a table\n")
