"""`harness prepare`: have a reference model ready."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("model", default="digits-mlp")
@click.option("--json", "as_json", is_flag=True, help="Print paths and figures as JSON on standard output.")
def command(model: str, *, as_json: bool) -> None:
    """Train MODEL on its data if the cache does not have it, and print its held-out accuracy."""
    from harness.cli.progress import preparing
    from targets.models import prepare

    with preparing() as show:
        prepared = prepare(model, show)
    card = prepared.card
    if as_json:
        print(
            json.dumps(
                {
                    "model": card.name,
                    "bank": str(prepared.bank_path),
                    "path": str(prepared.path),
                    "test_accuracy": card.test_accuracy,
                    "test_loss": card.test_loss,
                }
            )
        )
        return
    accuracy = "" if card.test_accuracy is None else f"accuracy {card.test_accuracy:.3f}, "
    print(f"{card.name}: held-out {accuracy}loss {card.test_loss:.3f} ({card.parameters} parameters, {card.data})")
    print(f"kept in {prepared.path}")
