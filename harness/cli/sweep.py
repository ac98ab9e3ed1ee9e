"""`harness sweep`: sweep knobs and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import IntList, load_options, make_request
from harness.errors import UserError


@click.command()
@click.argument("knobs", nargs=-1, metavar="KNOB[=V,V...]...")
@click.option("--concurrency", type=IntList(), default="1,8,32,128", show_default=True, help="Closed-loop users.")
@click.option(
    "--repeats",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="How often each point is run, interleaved.",
)
@load_options
@click.option("--dry-run", is_flag=True, help="Print the plan and how long it will take; measure nothing.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Go on with a run that was stopped; its own plan counts.",
)
def command(
    knobs: tuple[str, ...],
    concurrency: tuple[int, ...],
    repeats: int,
    resume: Path | None,
    **given: Any,
) -> int:
    """Sweep one or more knobs and answer which setting is best.

    A bare KNOB sweeps the values that `harness knobs` lists for it; several knobs make a grid; a knob with one
    value is set and not swept.

    \b
    python -m harness sweep batch_size
    python -m harness sweep batch_size=1,8,64 batch_wait_ms=0,2 --concurrency 1,32 --slo 'p99<20ms'
    python -m harness sweep rate=100,200,400 --arrivals poisson --target http://127.0.0.1:8000
    """  # noqa: D301
    from harness.cli import execute

    if resume is not None:
        return execute.resume(resume, as_json=given["as_json"])
    if not knobs:
        raise UserError("KNOB: say what to sweep, for example `sweep batch_size`; `harness knobs` lists them")
    request = make_request(knobs, concurrency, repeats, given)
    if given["dry_run"]:
        return execute.dry_run(request, as_json=given["as_json"])
    return execute.start(request, out=given["out"], gated=given["slo"] is not None, as_json=given["as_json"])
