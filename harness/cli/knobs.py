"""`harness knobs`: lists the knobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.errors import UserError
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
    if name and target:
        raise UserError("--target: it is the same as TARGET; leave one of the two out")
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


HEADINGS = ("knob", "unit", "default", "legal values", "swept by default", "owner", "applies", "targets")
NARROW = 120  # characters; on a narrower terminal some columns are lines below the table
BELOW = ("legal values", "owner", "targets")


def _cells(knob: Knob, names: list[str]) -> tuple[str, ...]:
    """The row of a knob, as `HEADINGS`."""
    default, swept = format_value(knob.default), ", ".join(map(format_value, knob.swept))
    return knob.name, knob.unit, default, knob.legal, swept, knob.owner, knob.apply, ", ".join(names)


def _print_table(rows: list[tuple[Knob, list[str]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 160)
    narrow = console.width < NARROW
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        if not (narrow and heading in BELOW):
            table.add_column(heading, overflow="fold", no_wrap=heading == "knob")
    for knob, names in rows:
        cells = dict(zip(HEADINGS, _cells(knob, names), strict=True))
        table.add_row(*(cell for heading, cell in cells.items() if not (narrow and heading in BELOW)))
    console.print(table)
    console.print()
    for knob, names in rows:
        console.print(f"[bold]{knob.name}[/bold]  {knob.doc}", highlight=False)
        if narrow:
            console.print(f"    takes {knob.legal}; of {', '.join(names)}", highlight=False, markup=False)
        for value, remedy in knob.unavailable:
            console.print(f"    {format_value(value)} is not available: {remedy}", highlight=False, markup=False)
