"""What a shell completes."""

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from harness.cli.main import cli
from harness.cli.upkeep.completion import SHELLS, command


@pytest.mark.parametrize(
    ("typed", "incomplete", "found"),
    [
        ((), "sw", "sweep"),
        (("sweep",), "--bud", "--budget"),
        (("sweep",), "batch_s", "batch_size"),
        (("run", "--target"), "thr", "threaded"),
        (("run", "--target", "agent"), "sched", "scheduling"),
        (("sweep", "--scenario"), "sp", "speech"),
        (("gate", "--inconclusive"), "p", "pass"),
    ],
)
def test_commands_options_and_names_are_completed(typed, incomplete, found):
    complete = BashComplete(cli, {}, "sweepspot", "_SWEEPSPOT_COMPLETE")
    assert [item.value for item in complete.get_completions(list(typed), incomplete)] == [found]


@pytest.mark.process  # bash is asked for its version
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_lines(shell):
    group = click.Group(commands={"completion": command})
    done = CliRunner().invoke(group, ["completion", shell])
    assert done.exit_code == 0
    assert "_SWEEPSPOT_COMPLETE" in done.output
