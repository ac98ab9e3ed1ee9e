"""`harness completion`: prints what makes a shell complete the command `sweepspot`."""

from __future__ import annotations

import click

from harness.cli.parts.command_line import COMMAND

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the lines that make SHELL complete commands, options and names of the command `sweepspot`.

    \b
    bash:  eval "$(sweepspot completion bash)"        in ~/.bashrc
    zsh:   eval "$(sweepspot completion zsh)"         in ~/.zshrc
    fish:  sweepspot completion fish | source         in ~/.config/fish/config.fish
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.BadParameter(f"{shell} is not known", param_hint="SHELL")
    print(made(click.get_current_context().find_root().command, {}, COMMAND, f"_{COMMAND.upper()}_COMPLETE").source())
