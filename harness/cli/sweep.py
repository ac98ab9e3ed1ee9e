"""`harness sweep`: measure several settings and recommend one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_groups import GroupedCommand
from harness.cli.parts.option_types import DURATION, IntList
from harness.cli.parts.options import RESUME_OPTION, TARGET_ACCURACY_OPTION, load_options
from harness.cli.parts.plan_request import make_draft, refuse_options, was_given
from harness.cli.upkeep.completion import complete_knobs
from harness.errors import UserError
from harness.plan.option_text import split_word

if TYPE_CHECKING:
    from pathlib import Path

TRAINING_OPTIONS = ("seeds", "target_accuracy")  # of training knobs alone
SHARED_OPTIONS = ("knobs", "model", "repeats", "seed", "out", "as_json", "dry_run", "resume", "live")
DEFAULT_SEEDS = 3


@click.command(cls=GroupedCommand)
@click.argument("knobs", nargs=-1, shell_complete=complete_knobs, metavar="KNOB[=V,V...]...")
@click.option("--concurrency", type=IntList(), default="1,8,32,128", show_default=True, help="Closed-loop users.")
@click.option(
    "--budget",
    type=DURATION,
    default="3m",
    show_default=True,
    metavar="DURATION",
    help="Time for everything. Every point gets a look; the rest goes to trials that decide which is best, and ends "
    "early where that is clear. With --resume: measure on until so much is spent in all.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 100),
    default=2,
    help="In place of --budget: how often each point is run, interleaved.  [default: 2 with --seconds]",
)
@load_options
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=DEFAULT_SEEDS,
    show_default=True,
    help="How many seeds each point is trained from (training knobs).",
)
@TARGET_ACCURACY_OPTION
@click.option("--dry-run", is_flag=True, help="Print the plan and how long it will take; measure nothing.")
@RESUME_OPTION
def command(
    knobs: tuple[str, ...],
    concurrency: tuple[int, ...],
    repeats: int,
    resume: Path | None,
    **given: Any,
) -> int:
    """Sweep one or more knobs and recommend the best setting.

    A bare KNOB sweeps the values that `harness knobs` lists for it; several knobs make a grid; a knob with one
    value is set and not swept.

    \b
    python -m harness sweep batch_size
    python -m harness sweep batch_size=1,8,64 batch_wait_ms=0,2 --concurrency 1,32 --slo 'p99<20ms'
    python -m harness sweep rate=100,200,400 --arrivals poisson --target http://127.0.0.1:8000
    python -m harness sweep learning_rate --seeds 5
    """  # noqa: D301
    from harness.cli.parts.checked_plan import checked_plan
    from harness.cli.parts.open_run import resume_run
    from harness.cli.parts.serving_run import run_or_plan
    from harness.cli.parts.training_run import asks_for_training

    if resume is not None:
        return resume_run(resume, budget_s=given["budget"], as_json=given["as_json"])
    if not knobs:
        raise UserError("KNOB: say what to sweep, for example `sweep batch_size`; `harness knobs` lists them")
    if asks_for_training(knobs):
        return _train(knobs, given)
    refuse_options(TRAINING_OPTIONS, f"{split_word(knobs[0])[0]} is a knob of serving", "--repeats")
    draft = make_draft(knobs, concurrency, repeats, given)
    return run_or_plan(draft, checked_plan(draft), given, gated=was_given("slo"))


def _train(knobs: tuple[str, ...], given: dict[str, Any]) -> int:
    """Sweep training knobs; `--repeats` means `--seeds` there."""
    from harness.cli.parts.training_run import train, training_plan

    params = click.get_current_context().params
    serving = [name for name in params if name not in (*SHARED_OPTIONS, *TRAINING_OPTIONS)]
    refuse_options(serving, f"{split_word(knobs[0])[0]} is a knob of training", "--seeds and --target-accuracy")
    seeds = params["repeats" if was_given("repeats") and not was_given("seeds") else "seeds"]
    return train(training_plan(knobs, seeds, given), given)
