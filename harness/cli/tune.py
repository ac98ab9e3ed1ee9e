"""`harness tune`: searches thousands of settings for the best one within a limit."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_groups import GroupedCommand
from harness.cli.parts.option_types import DURATION, IntList
from harness.cli.parts.options import RESUME_OPTION, load_options
from harness.cli.parts.plan_request import make_draft, refuse_options, was_given
from harness.cli.upkeep.completion import complete_knobs
from harness.errors import UserError
from harness.plan.slo import parse_keep

if TYPE_CHECKING:
    from pathlib import Path

    from harness.run.tune_plan import TuneGoal

BUDGET = "15m"
NOT_HERE = ("precision", "max_seconds", "workers", "bind")


@click.command(cls=GroupedCommand)
@click.argument("knobs", nargs=-1, shell_complete=complete_knobs, metavar="[KNOB[=V,V...]]...")
@click.option(
    "--budget",
    type=DURATION,
    default=BUDGET,
    show_default=True,
    metavar="DURATION",
    help="Time for everything, restarts of the target included. Ends early where nothing better is to be expected. "
    "With --resume: search on until so much is spent in all.",
)
@click.option(
    "--objective",
    type=click.Choice(("goodput", "tokens_per_s", "cost")),
    default="goodput",
    show_default=True,
    help="What to raise within the limit: good responses per second, tokens per second, or (cost) good responses per "
    "second of a processor core that the target takes.",
)
@click.option(
    "--keep",
    metavar="BOUNDS",
    help="Bounds beside --slo, such as 'accuracy>0.9,memory_mb<2000': accuracy, memory_mb and cores of the target.",
)
@click.option(
    "--search",
    type=click.Choice(("model", "optuna")),
    default="model",
    show_default=True,
    help="What chooses the next setting: the harness's own model, or Optuna's TPE (pip install 'sweepspot[optuna]').",
)
@click.option("--concurrency", type=IntList(), default=None, help="Users to choose from.  [default: 1,2,4,6,8,...,256]")
@load_options
@click.option("--dry-run", is_flag=True, help="Print how many settings there are, and measure nothing.")
@RESUME_OPTION
def command(knobs: tuple[str, ...], concurrency: tuple[int, ...] | None, resume: Path | None, **given: Any) -> int:
    """Find the setting that does best within the latency limit, of all that the knobs allow.

    Without KNOB: all that the target (or recipe) declares worth turning. A bare KNOB takes its own values; a knob
    with one value is set and not turned. The default is measured first and is the baseline. Settings that cannot be
    started are results. The figures that count are those of fresh trials at the end.

    \b
    python -m harness tune --slo 'p99<50ms' --budget 15m
    python -m harness tune batch_size batch_wait_ms=0,1,2 engine --slo 'p99<20ms'
    python -m harness tune --target mosec --budget 10m
    """  # noqa: D301
    import msgspec

    from harness.cli.parts.checked_plan import checked_tune_plan
    from harness.cli.parts.open_run import resume_run
    from harness.cli.parts.serving_run import run_or_plan

    if resume is not None:
        return resume_run(resume, budget_s=given["budget"], as_json=given["as_json"])
    refuse_options(NOT_HERE, "`tune` decides how often each setting is measured, on one machine")
    draft = make_draft(knobs, concurrency or (), 1, {**given, "budget": None})
    draft = replace(draft, plan=msgspec.structs.replace(draft.plan, budget_seconds=given["budget"]))
    return run_or_plan(draft, checked_tune_plan(draft, _goal(given)), given, gated=was_given("slo"))


def _goal(given: dict[str, Any]) -> TuneGoal:
    """What a search is for. Raises UserError where Optuna is not installed."""
    from harness.run.tune_plan import TuneGoal

    if given["search"] == "optuna" and importlib.util.find_spec("optuna") is None:
        raise UserError("--search optuna: it is not installed; pip install 'sweepspot[optuna]'")
    keep = parse_keep(given["keep"]) if given["keep"] else ()
    return TuneGoal(objective=given["objective"], keep=keep, search=given["search"])
