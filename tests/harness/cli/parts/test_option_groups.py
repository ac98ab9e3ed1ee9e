"""The groups in which the help lists options."""

import importlib

import click
import pytest

from harness.cli.parts.option_groups import GROUPS, OTHERS

RESULT = {"--out", "--json", "--dry-run", "--resume", "--live", "--help"}


@pytest.mark.parametrize("verb", ["sweep", "run", "capacity"])
def test_every_option_of_the_help_is_in_one_group(verb):
    command = importlib.import_module(f"harness.cli.{verb}").command
    context = click.Context(command, help_option_names=["-h", "--help"])
    options = {param.opts[-1] for param in command.get_params(context) if isinstance(param, click.Option)}
    grouped = [flag for flags in GROUPS.values() for flag in flags]
    assert len(grouped) == len(set(grouped))
    assert options - set(grouped) <= RESULT
    text = command.get_help(context)
    assert [text.count(f"\n  {flag} ") for flag in sorted(options - {"--help", "--isolate"})] == [1] * (
        len(options) - 2
    )
    assert text.index(f"\n{OTHERS}:") > text.index("\nSecurity:")
