"""`harness compare`: compares two variants, measured in turn, or two runs point by point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_types import DURATION, IntList, Parsed
from harness.cli.parts.options import load_options
from harness.cli.parts.plan_request import make_draft, refuse_options, was_given
from harness.errors import ExitCode, UserError
from harness.plan.option_text import number

if TYPE_CHECKING:
    from harness.judge.run_result import RunResult
    from harness.record.run_dir import RunRecord

OF_FOLDERS = {"folders", "margin", "drift", "force", "as_json"}
_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="[BEFORE AFTER]")
@click.option(
    "--a", "words_a", multiple=True, metavar="KNOB=VALUE", help="A knob of the first variant; may be repeated."
)
@click.option(
    "--b", "words_b", multiple=True, metavar="KNOB=VALUE", help="A knob of the second variant; may be repeated."
)
@click.option("--target-a", default=None, metavar="NAME|URL|RECIPE.toml", help="The first variant's own target.")
@click.option("--target-b", default=None, metavar="NAME|URL|RECIPE.toml", help="The second variant's own target.")
@click.option(
    "--margin",
    type=Parsed(number(0, 100, below=True), "number"),
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="The change to find or to exclude; of two folders: a smaller change is none.",
)
@click.option(
    "--drift",
    type=Parsed(number(0, 100, below=True), "number"),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Two folders: by how much the machine may have changed between the two times (standard deviation).",
)
@click.option(
    "--budget",
    type=DURATION,
    default="3m",
    show_default=True,
    help="Time for everything; it ends earlier where the trials scatter little.",
)
@click.option("--concurrency", type=IntList(), default="32", show_default=True, help="Closed-loop users.")
@click.option("--force", is_flag=True, help="Compare two folders although machine or software differ.")
@click.option("--dry-run", is_flag=True, help="Print the plan and what it will be able to find; measure nothing.")
@load_options
def command(folders: tuple[Path, ...], *, margin: float, drift: float, force: bool, **given: Any) -> int:
    """Compare two variants, measured in turn, or the runs in two folders, point by point.

    Two variants are measured in blocks A B, B A, so that a drift of the machine favours neither, and compared by pairs
    of trials. The answer is one of three: worse (exit code 6), not worse by more than the margin (0), or it cannot be
    said yet (8). What the blocks can find is printed before they begin.

    Runs that were made at two times differ by a drift of the machine too (--drift), which comes to all points alike and
    looks like a change of all: such a change is worse or better only where it is greater than that, else the exit code
    is 8, as wherever it cannot be said.

    \b
    python -m harness compare --a batch_size=16 --b batch_size=64
    python -m harness compare --target-a http://127.0.0.1:8000 --target-b http://127.0.0.1:8001 --concurrency 8,64
    python -m harness compare results/before results/after
    """  # noqa: D301
    variants = any(was_given(name) for name in ("words_a", "words_b", "target_a", "target_b"))
    if variants == bool(folders):
        raise UserError(
            "BEFORE AFTER: give two folders of runs, or two variants by --a and --b (--target-a, --target-b)"
        )
    if variants:
        return _compare_variants(margin / 100, given)
    if len(folders) != 2:
        raise UserError(f"BEFORE AFTER: two folders are compared, not {len(folders)}")
    names = {str(option.name) for option in click.get_current_context().command.params}
    refuse_options(names - OF_FOLDERS, "two folders hold what was measured")
    before, after = folders
    return _compare_folders(
        before, after, margin=margin / 100, drift=drift / 100, force=force, as_json=given["as_json"]
    )


def _compare_variants(margin: float, given: dict[str, Any]) -> int:
    """Measure the variants in turn."""
    from harness.cli.parts.checked_plan import checked_plan
    from harness.cli.parts.serving_run import ServingRun
    from harness.plan.paired.paired_plan import paired_plan

    one = [name for name in ("target_a", "target_b") if given[name] is None]
    if len(one) == 1 and not was_given("target"):
        raise UserError(f"--{one[0].replace('_', '-')}: give the other variant's target too, or --target for it")
    refuse_options(("force", "drift"), "it is for two folders")
    refuse_options(("precision", "max_seconds"), "the blocks end where they find a change of --margin")
    budget_s = float(given.pop("budget"))
    concurrency = given.pop("concurrency")
    plans = []
    for side in "ab":
        own = {**given, "target": given[f"target_{side}"] or given["target"]}
        draft = make_draft(given[f"words_{side}"], concurrency, 1, own)
        plans.append(checked_plan(draft))
    plan = paired_plan(plans[0], plans[1], margin=margin, budget_s=budget_s)
    if given["dry_run"]:
        from harness.cli.parts.run_frame import show_plan
        from reports.text.terminal_text import plan_text

        return show_plan(
            {"plan": plan, "estimated_seconds": budget_s}, plan_text(plan, budget_s), as_json=given["as_json"]
        )
    run = ServingRun.begin(plan, out=given["out"], gated=was_given("slo") and plan.slo is not None)
    return run.measure(as_json=given["as_json"])


def _compare_folders(before: Path, after: Path, *, margin: float, drift: float, force: bool, as_json: bool) -> int:
    """Compare the run in AFTER with the run in BEFORE, point by point."""
    import msgspec

    from harness.judge.conclusions.run_comparison import compare_runs
    from harness.judge.significance import Change
    from reports.comparison import comparison_json, comparison_text

    (earlier, old), (later, new) = _read(before, "BEFORE"), _read(after, "AFTER")
    _refuse_other_machine(earlier, later, force=force)
    comparison = compare_runs((earlier.plan, old), (later.plan, new), margin, drift)
    if not comparison.points:
        raise UserError(f"AFTER {after}: no point has the same knobs and load as one of {before}; sweep the same")
    if as_json:
        print(msgspec.json.encode(comparison_json(comparison)).decode())
    else:
        print(comparison_text(comparison))
    if comparison.change is Change.REGRESSION:
        return ExitCode.REGRESSION
    undecided = comparison.change is Change.INCONCLUSIVE or comparison.within_drift
    return ExitCode.CANNOT_BE_SAID if undecided else ExitCode.OK


def _read(path: Path, argument: str) -> tuple[RunRecord, RunResult]:
    from harness.judge.run_summary import evaluate
    from harness.judge.trial_summary import TrialSummaries
    from harness.record.run_dir import RunDir

    folder = RunDir.open(path, argument)
    record = folder.read()
    return record, evaluate(record, TrialSummaries(folder))


def _refuse_other_machine(before: RunRecord, after: RunRecord, *, force: bool) -> None:
    differences = before.environment.differences(after.environment)
    if differences and not force:
        raise UserError(
            f"BEFORE and AFTER ran on different machines or software ({'; '.join(differences[:3])}); "
            "measure both on one, or compare nevertheless with --force"
        )
