"""`harness/cli` holds the verbs, one a file; what they share lies in `harness/cli/parts`."""

import importlib
from pathlib import Path

import click
import pytest

from harness.cli.main import FOLDERS, VERBS, module_of


def test_every_file_beside_main_and_in_the_folders_is_a_verb():
    here = Path(importlib.import_module("harness.cli.main").__file__).parent
    files = [
        path for folder in (here, *(here / name for name in set(FOLDERS.values()))) for path in folder.glob("*.py")
    ]
    assert {path.stem for path in files} - {"__init__", "main"} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_file_holds_its_command(verb):
    assert isinstance(importlib.import_module(module_of(verb)).command, click.Command)
