"""`harness run`: measure one point."""

from __future__ import annotations

from typing import Any

import click

from harness.cli.parts.option_groups import GroupedCommand
from harness.cli.parts.options import load_options
from harness.cli.parts.plan_request import make_draft, was_given
from harness.cli.upkeep.completion import complete_knobs
from harness.errors import UserError


@click.command(cls=GroupedCommand)
@click.argument("knobs", nargs=-1, shell_complete=complete_knobs, metavar="[KNOB=VALUE]...")
@click.option(
    "--concurrency", type=click.IntRange(1, 100_000), default=32, show_default=True, help="Closed-loop users."
)
@click.option("--repeats", type=click.IntRange(1, 100), default=1, show_default=True, help="How often it is run.")
@load_options
def command(knobs: tuple[str, ...], concurrency: int, repeats: int, **given: Any) -> int:
    """Measure one point: one setting at one load level.

    \b
    python -m harness run batch_size=32 --concurrency 64 --seconds 5s
    python -m harness run --target http://127.0.0.1:8000 --arrivals poisson --rate 500
    """  # noqa: D301
    from harness.cli.parts.checked_plan import checked_plan
    from harness.cli.parts.serving_run import run_or_plan

    several = [word for word in knobs if "=" not in word or "," in word]
    if several:
        raise UserError(f"{several[0]}: `run` takes one value for each knob (name=value); `sweep` takes several")
    draft = make_draft(knobs, (concurrency,), repeats, given)
    return run_or_plan(draft, checked_plan(draft), given, gated=was_given("slo"))
