"""`harness capacity`: finds the highest rate within the latency limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_groups import GroupedCommand
from harness.cli.parts.options import RESUME_OPTION, load_options
from harness.cli.parts.plan_request import make_draft, refuse_beside_resume, was_given
from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = "5s"  # of each rate: near the border, percentiles settle slowly


@click.command(cls=GroupedCommand, context_settings={"default_map": {"seconds": SECONDS}})
@click.argument("knobs", nargs=-1, metavar="[KNOB=V,V...]...")
@load_options
@RESUME_OPTION
def command(knobs: tuple[str, ...], resume: Path | None, **given: Any) -> int:
    """Find the highest rate of requests that keeps the latency limit, for one setting or for each of several.

    Requests arrive at random (Poisson), whether or not responses come, as those of many independent users would.
    Each rate is measured for --seconds; a search tries some 15 rates and ends by confirming the one that it found.

    \b
    python -m harness capacity --slo 'p99<20ms'
    python -m harness capacity batch_size=1,16 --slo 'p99<20ms,errors<0.1%' --seconds 10s
    python -m harness capacity --target http://127.0.0.1:8000 --check off
    """  # noqa: D301
    from harness.cli.parts.serving_run import ServingRun, run_or_plan
    from harness.run.capacity import FIRST_USERS

    if resume is not None:
        refuse_beside_resume()
        return ServingRun.open(resume, "--resume").resume(as_json=given["as_json"])
    if given["rate"] is not None or given["arrivals"] not in (None, "poisson"):
        raise UserError("--rate, --arrivals: `capacity` looks for the rate of Poisson arrivals itself; leave them out")
    given |= {"arrivals": "closed", "capacity": True}  # it begins with what a closed loop reaches
    draft = make_draft(knobs, (FIRST_USERS,), 1, given)
    return run_or_plan(draft, given, gated=was_given("slo"))
