"""`harness/cli` holds the verbs, one a file; what they share lies in `harness/cli/parts`."""

import importlib
from pathlib import Path

import click
import pytest

from harness.cli.main import VERBS


def test_every_file_beside_main_is_a_verb():
    folder = Path(importlib.import_module("harness.cli.main").__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "main"} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_file_holds_its_command(verb):
    assert isinstance(importlib.import_module(f"harness.cli.{verb}").command, click.Command)
