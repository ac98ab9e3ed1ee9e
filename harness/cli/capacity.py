"""`harness capacity`: finds the highest rate within the latency limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_groups import GroupedCommand
from harness.cli.parts.option_types import DURATION
from harness.cli.parts.options import RESUME_OPTION, load_options
from harness.cli.parts.plan_request import make_draft, refuse_options, was_given
from harness.cli.upkeep.completion import complete_knobs
from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = "5s"  # of each rate: near the border, percentiles settle slowly


@click.command(cls=GroupedCommand, context_settings={"default_map": {"seconds": SECONDS}})
@click.argument("knobs", nargs=-1, shell_complete=complete_knobs, metavar="[KNOB=V,V...]...")
@click.option(
    "--budget",
    type=DURATION,
    default="4m",
    show_default=True,
    help="Time for the rates of each setting, ten trials at least; it ends earlier where the capacity is known to 5 %. "
    "With --resume: search on until so much is spent on each.",
)
@load_options
@RESUME_OPTION
def command(knobs: tuple[str, ...], resume: Path | None, **given: Any) -> int:
    """Find the highest rate of requests that keeps the latency limit, for one setting or for each of several.

    Requests arrive at random (Poisson), whether or not responses come, as those of many independent users would.
    Each trial takes --seconds. The capacity is estimated from all of them together, with its 95 % interval, and said
    beside the highest rate that surely keeps the limit and the lowest one that surely does not.

    \b
    python -m harness capacity --slo 'p99<20ms'
    python -m harness capacity batch_size=1,16 --slo 'p99<20ms,errors<0.1%' --seconds 10s
    python -m harness capacity --target http://127.0.0.1:8000 --check off
    """  # noqa: D301
    import msgspec

    from harness.cli.parts.checked_plan import checked_plan
    from harness.cli.parts.open_run import resume_run
    from harness.cli.parts.serving_run import run_or_plan
    from harness.plan.load_knobs import LEVELS
    from harness.plan.option_text import names_of
    from harness.run.capacity_run import FIRST_USERS, checked_capacity_plan

    if resume is not None:
        return resume_run(resume, budget_s=given["budget"], as_json=given["as_json"])
    refuse_options(("precision", "max_seconds"), "`capacity` measures every rate for --seconds")
    if given["rate"] is not None or given["arrivals"] not in (None, "poisson"):
        raise UserError("--rate, --arrivals: `capacity` looks for the rate of Poisson arrivals itself; leave them out")
    if name := next((name for name in names_of(knobs) if name in LEVELS), None):
        raise UserError(f"{name}: `capacity` looks for the load itself; leave it out")
    given |= {"arrivals": "closed", "capacity": True}  # it begins with what a closed loop reaches
    budget_s = float(given.pop("budget"))
    draft = make_draft(knobs, (FIRST_USERS,), 1, given)
    draft = replace(draft, plan=msgspec.structs.replace(draft.plan, capacity_budget_s=budget_s))
    plan = checked_capacity_plan(checked_plan(draft), given=was_given("budget"))
    return run_or_plan(draft, plan, given, gated=was_given("slo"))
