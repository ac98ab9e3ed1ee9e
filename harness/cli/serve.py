"""`harness serve`: an embedded target in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.parts.options import TOKEN_OPTION
from harness.errors import UserError
from harness.plan.plan_draft import file_setting
from harness.plan.target_spec import InProcessTarget, find_named, knobs_for, refuse_other_files

PemFile = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("target")
@click.argument("knobs", nargs=-1, metavar="[KNOB=VALUE]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one.")
@click.option("--model", default="digits-mlp", show_default=True, help="The model to serve.")
@click.option("--tls-cert", type=PemFile, default=None, help="Certificate chain (PEM): clients then come by https.")
@click.option("--tls-key", type=PemFile, default=None, help="Its key (PEM).")
@TOKEN_OPTION
def command(  # noqa: PLR0917  (what a server is started with)
    target: str,
    knobs: tuple[str, ...],
    host: str,
    port: int,
    model: str,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> int:
    """Serve TARGET in the foreground until Ctrl-C, for any client.

    \b
    python -m harness serve batched --port 8000 batch_size=32
    SWEEPSPOT_TOKEN=... python -m harness serve batched --tls-cert cert.pem --tls-key key.pem
    python -m harness serve batched tls=on          with a certificate made on the spot
    """  # noqa: D301
    spec = find_named(target)
    if isinstance(spec, InProcessTarget):
        raise UserError(f"{target}: it lives in the load process and cannot be served; choose another target")
    fitting = knobs_for(spec, model)
    setting = fitting.complete({**file_setting(spec, fitting), **fitting.parse_setting(knobs)})
    if not spec.serves(model):
        from harness.errors import unknown_name

        refuse_other_files(model)
        raise unknown_name(f"model of {target}", model, spec.models)
    from targets.certificate import given_certificate
    from targets.listen_address import ListenAddress
    from targets.serving import run_child

    address = ListenAddress(host, port, given_certificate(tls_cert, tls_key))
    return run_child(spec.name, address, model, setting, None)
