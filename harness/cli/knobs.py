"""`harness knobs`: lists the knobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.plan.knobs import format_value
from harness.plan.load_knobs import LOAD_KNOBS
from harness.plan.plan_draft import model_knob
from harness.plan.scenario import DEFAULT_MODEL
from harness.plan.target_spec import RecipeTarget, find_named, known_targets, project_targets
from harness.training.trainer_spec import known_trainers

if TYPE_CHECKING:
    from harness.plan.knobs import Knob

TRAINING = "training"


@click.command()
@click.argument("name", required=False, metavar="[TARGET]")
@click.option("--target", default=None, metavar="NAME|RECIPE.toml", help="The same as TARGET.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on standard output.")
def command(name: str | None, target: str | None, *, as_json: bool) -> None:
    """List every knob, or those of one TARGET: unit, default, legal values, owner.

    TARGET may be a recipe, by name or by its TOML file, or `training`.
    """
    chosen = name or target
    rows = [] if chosen == TRAINING else _of_serving(chosen)
    if chosen in (None, TRAINING):
        rows += _of_training()
    if as_json:
        _print_json(rows)
        return
    _print_table(rows)
    if not chosen:
        recipes = ", ".join(key for key, spec in known_targets().items() if isinstance(spec, RecipeTarget))
        print(f"\nServers that are not ours, by recipe (`harness knobs NAME`): {recipes}")


def _of_serving(chosen: str | None) -> list[tuple[Knob, list[str]]]:
    ours = project_targets()
    targets = {chosen: find_named(chosen)} if chosen else ours
    owners: dict[str, tuple[Knob, list[str]]] = {}
    for spec in targets.values():
        for knob in spec.knobs:
            owners.setdefault(knob.name, (knob, []))[1].append(spec.name)
    of_any = (*LOAD_KNOBS, model_knob(DEFAULT_MODEL, find_named(chosen) if chosen else None))
    return [*owners.values(), *((knob, ["any target"]) for knob in of_any)]


def _of_training() -> list[tuple[Knob, list[str]]]:
    return [(knob, [f"{spec.name} trainer"]) for spec in known_trainers().values() for knob in spec.knobs]


def _print_json(rows: list[tuple[Knob, list[str]]]) -> None:
    import json

    print(
        json.dumps(
            [
                {
                    "name": knob.name,
                    "unit": knob.unit,
                    "default": knob.default,
                    "legal": knob.legal,
                    "swept": knob.swept,
                    "unavailable": dict(knob.unavailable),
                    "owner": knob.owner,
                    "apply": knob.apply,
                    "targets": names,
                    "doc": knob.doc,
                }
                for knob, names in rows
            ],
            indent=2,
        )
    )


def _print_table(rows: list[tuple[Knob, list[str]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("knob", "unit", "default", "legal values", "swept by default", "owner", "applies", "targets"):
        table.add_column(heading, overflow="fold")
    for knob, names in rows:
        table.add_row(
            knob.name,
            knob.unit,
            format_value(knob.default),
            knob.legal,
            ", ".join(map(format_value, knob.swept)),
            knob.owner,
            knob.apply,
            ", ".join(names),
        )
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    console.print()
    for knob, _ in rows:
        console.print(f"[bold]{knob.name}[/bold]  {knob.doc}", highlight=False)
        for value, remedy in knob.unavailable:
            console.print(f"    {format_value(value)} is not available: {remedy}", highlight=False, markup=False)
