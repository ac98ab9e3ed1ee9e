"""`harness knobs`: what can be turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.knobs import format_value
from harness.load_knobs import LOAD_KNOBS
from harness.target import find_target, known_targets

if TYPE_CHECKING:
    from harness.knobs import Knob


@click.command()
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on standard output.")
def command(target: str | None, *, as_json: bool) -> None:
    """List every knob, or those of one TARGET: unit, default, legal values, owner."""
    targets = {target: find_target(target)} if target else known_targets()
    owners: dict[str, tuple[Knob, list[str]]] = {}
    for spec in targets.values():
        for knob in spec.knobs:
            owners.setdefault(knob.name, (knob, []))[1].append(spec.name)
    rows = [(knob, names) for knob, names in owners.values()] + [(knob, ["any target"]) for knob in LOAD_KNOBS]
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


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
