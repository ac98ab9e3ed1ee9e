"""`harness serve`: an embedded target in the foreground."""

from __future__ import annotations

import click

from harness.errors import UserError
from harness.target import find_target


@click.command()
@click.argument("target")
@click.argument("knobs", nargs=-1, metavar="[KNOB=VALUE]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one.")
@click.option("--model", default="digits-mlp", show_default=True, help="The model to serve.")
def command(target: str, knobs: tuple[str, ...], host: str, port: int, model: str) -> int:
    """Serve TARGET in the foreground until Ctrl-C, for any client.

    \b
    python -m harness serve batched --port 8000 batch_size=32
    """  # noqa: D301
    spec = find_target(target)
    if spec.command is None:
        raise UserError(f"{target}: it lives in the load process and cannot be served; choose another target")
    setting = spec.knobs.complete(spec.knobs.parse_setting(knobs))
    if model not in spec.models:
        from harness.errors import unknown_name

        raise unknown_name(f"model of {target}", model, spec.models)
    from targets.serving import Address, run_child

    return run_child(spec.name, Address(host, port), model, setting, None)
