"""`harness completion`: prints what makes a shell complete the command `sweepspot`."""

from __future__ import annotations

import click

from harness.cli.parts.command_line import COMMAND

SHELLS = ("bash", "zsh", "fish")


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The targets and recipes whose names begin so."""
    from harness.plan.target_spec import known_targets

    del ctx, param
    return [name for name in known_targets() if name.startswith(incomplete)]


def complete_scenarios(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The scenarios whose names begin so."""
    from harness.plan.scenario import known_scenarios

    del ctx, param
    return [name for name in known_scenarios() if name.startswith(incomplete)]


def complete_knobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The knobs of the target that was named, or of the usual one, whose names begin so."""
    from harness.plan.target_spec import known_targets

    del param
    spec = known_targets().get(str(ctx.params.get("target") or "batched"))
    return [knob.name for knob in spec.knobs if knob.name.startswith(incomplete)] if spec else []


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
