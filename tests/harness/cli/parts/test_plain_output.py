"""What an ASCII terminal cannot show is replaced, not fatal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
CODE = "from harness.cli.parts.plain_output import allow_plain_output as f; f(); print('p99 ≤ 50 ms ─ 1–2 → ✓')"


def test_an_ascii_terminal_gets_ascii():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "p99 <= 50 ms - 1-2 -> ?\n"
