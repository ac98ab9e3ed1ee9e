"""`harness prepare`: have a reference model ready, or the server of a recipe installed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("model", default="digits-mlp", metavar="MODEL|RECIPE")
@click.option(
    "--format", "form", type=click.Choice(["keras", "onnx"]), default="keras", help="The kind of file of the model."
)
@click.option("--json", "as_json", is_flag=True, help="Print paths and figures as JSON on standard output.")
def command(model: str, form: str, *, as_json: bool) -> None:
    """Train MODEL on its data if the cache does not have it, and print its held-out accuracy.

    Given the name of a RECIPE, or its TOML file: install the server in an environment of its own.
    """
    from harness.cli.parts.plan_request import refuse_options
    from harness.cli.parts.progress import preparing
    from harness.plan.target_spec import RecipeTarget
    from targets import TARGETS
    from targets.preparation import prepare

    if model.endswith(".toml") or (model in TARGETS and isinstance(TARGETS[model], RecipeTarget)):
        refuse_options(("form", "as_json"), f"it is for a model, and {model} is a server")
        _install(model)
        return
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
                    "file": str(_file(prepared.path, form)),
                    "test_accuracy": card.test_accuracy,
                    "test_loss": card.test_loss,
                }
            )
        )
        return
    figures = (("accuracy", card.test_accuracy), ("loss", card.test_loss))
    known = ", ".join(f"{name} {value:.3f}" for name, value in figures if value is not None)
    size = f"{card.parameters} parameters, " if card.parameters is not None else ""
    print(f"{card.name}: {f'held-out {known} ' if known else ''}({size}{card.data})")
    print(f"kept in {_file(prepared.path, form)}")


def _file(path: Path, form: str) -> Path:
    if form == "keras":
        return path
    from targets.engines.exports import exported
    from targets.engines.onnx import export_onnx

    return exported(path, "onnx", export_onnx)


def _install(name: str) -> None:
    from harness.measure.target.recipe_venv import install
    from harness.plan.target_spec import RecipeTarget, find_named

    target = find_named(name)
    if not isinstance(target, RecipeTarget) or not target.recipe.requirements:
        raise UserError(f"{name}: its recipe names no requirements; there is nothing to install")
    recipe = target.recipe
    print(f"{recipe.name}: installing {recipe.requirements} ...", file=sys.stderr, flush=True)
    print(f"{recipe.name}: installed in {install(recipe)}")
