"""`harness gate`: whether a run is worse than a baseline, for CI."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.parts.option_types import Share
from harness.cli.parts.plan_request import refuse_options
from harness.errors import ExitCode, UserError

if TYPE_CHECKING:
    from harness.cli.parts.serving_run import ServingRun
    from harness.judge.gate.baseline import Baseline
    from harness.judge.gate.gate_result import GateResult
    from harness.record.run_dir import RunRecord
    from reports.report_input import ReportInput

DEFAULT_EFFECT = 0.1


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@click.option("--baseline", "baseline_file", type=click.Path(path_type=Path), help="The file that `baseline` made.")
@click.option("--target", default=None, metavar="NAME|URL|RECIPE.toml", help="Without DIR: measure this target.")
@click.option(
    "--effect",
    type=Share(),
    default=DEFAULT_EFFECT,
    show_default="10%",
    metavar="10%",
    help="The smallest change that counts.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(["fail", "pass"]),
    default="fail",
    show_default=True,
    help="Where it cannot be said: exit code 8, or 0.",
)
@click.option("--force", is_flag=True, help="Compare although the machine is another.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Without DIR: the new run directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON on standard output.")
def command(run_dir: Path | None, *, baseline_file: Path | None, target: str | None, effect: float, inconclusive: str,
            force: bool, out: Path | None, as_json: bool) -> int:  # fmt: skip
    """Say whether throughput, goodput, p50, p99 or failures got worse by more than --effect.

    Three answers: worse (exit code 6), not worse (0), cannot be said (8; --inconclusive pass makes it 0). Wrong
    responses are worse than none, however few. A missed --slo of the run is exit code 5. DIR is a run of the same
    points as the baseline's; without DIR the points of the baseline are measured now. The surest comparison has no
    baseline: give the DIR of a `compare` of two variants, which were measured in turn. gate.md, gate.xml (JUnit) and
    gate.html are written into the run directory.

    \b
    python -m harness gate --baseline main.json
    python -m harness gate results/my-run --baseline main.json --effect 5%
    python -m harness compare --target-a http://127.0.0.1:8000 --target-b http://127.0.0.1:8001 --out results/ab
    python -m harness gate results/ab --inconclusive pass
    """  # noqa: D301
    import msgspec

    from harness.judge.gate.baseline import read_baseline
    from reports.gate import write_gate
    from reports.gate.gate_texts import gate_text

    if baseline_file is None:
        refuse_options(("effect", "force"), "two variants are compared on one machine, with the --margin of `compare`")
    baseline = read_baseline(baseline_file, "--baseline") if baseline_file else None
    run = _run_of(run_dir, baseline, target, out)
    report = run.report()
    result = _answer(run.folder.read(), report, baseline, effect, force=force)
    write_gate(run.folder.path, result)
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        print(gate_text(result))
        print(f"page: {run.folder.path / 'gate.html'}")
    if result.worse:
        return ExitCode.REGRESSION
    if inconclusive == "fail" and (report.limit_open or not result.said):
        return ExitCode.CANNOT_BE_SAID
    return ExitCode.SLO_MISSED if result.slo else ExitCode.OK


def _run_of(run_dir: Path | None, baseline: Baseline | None, target: str | None, out: Path | None) -> ServingRun:
    """The run in DIR, or a new one of the baseline's points. Raises UserError, and RunError where it fails."""
    import msgspec

    from harness.cli.parts.serving_run import ServingRun

    if run_dir is not None:
        if target is not None or out is not None:
            raise UserError("--target, --out: they are for a run that is measured now; leave out DIR or them")
        return ServingRun.open(run_dir, "DIR")
    if baseline is None:
        raise UserError("--baseline: give the file that `baseline` made, or the DIR of a `compare`")
    plan = msgspec.structs.replace(baseline.plan, **({"target": target} if target else {}))
    run = ServingRun.begin(plan, out=str(out) if out else None, gated=baseline.gated)
    with contextlib.redirect_stdout(None):
        code = run.measure(as_json=False)
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return run


def _answer(
    record: RunRecord, report: ReportInput, baseline: Baseline | None, effect: float, *, force: bool
) -> GateResult:
    import msgspec

    from harness.judge.gate.baseline import baseline_of
    from harness.judge.gate.baseline_comparison import compare_with_baseline, of_variants
    from harness.judge.phrases import capital

    if baseline is not None:
        found = compare_with_baseline(baseline, baseline_of(record, report.result), effect, force=force)
    elif report.result.comparison is not None:
        found = of_variants(record.plan, report.result.comparison)
    else:
        raise UserError(
            "--baseline: give the file that `baseline` made; without it, DIR must be a `compare` of variants"
        )
    if not report.gate_missed:
        return found
    limit = f"the limit {record.plan.slo}"
    if report.limit_open:
        return msgspec.structs.replace(found, reasons=(*found.reasons, f"Whether {limit} is kept cannot be said."))
    return msgspec.structs.replace(found, slo=f"{capital(limit)} is missed.")
