"""`harness simulate`: predicts what more replicas and stages would do, from the batches of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from harness.cli.parts.option_types import SEED, Parsed
from harness.errors import ExitCode, UserError
from harness.judge.simulation_result import Simulation, write_simulation
from harness.plan.arrivals import Closed
from harness.plan.load_options import MOST_RPS
from harness.plan.option_text import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.simulation.prediction import Offered
    from harness.plan.knobs import Setting, Value
    from harness.plan.plan import Plan
    from harness.record.run_dir import RunDir, RunRecord

DEFAULT_WORDS = ("replicas", "dispatch")


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("knobs", nargs=-1, metavar="[KNOB[=V,V...]]...")
@click.option(
    "--users-per-replica",
    type=click.IntRange(1, 100_000),
    default=None,
    help="Closed-loop users for each replica.  [default: the most that the run had]",
)
@click.option(
    "--rate",
    type=Parsed(number(0, MOST_RPS, above=True), "number"),
    default=None,
    help="Requests/s (Poisson) for all replicas together instead.",
)
@click.option(
    "--cores",
    type=click.IntRange(1, 4096),
    default=None,
    help="Cores of the machine to predict for, each as fast as those of the run.  [default: those that the target had]",
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Makes the simulation repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(
    run_dir: Path,
    knobs: tuple[str, ...],
    *,
    users_per_replica: int | None,
    rate: float | None,
    cores: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Predict layouts that were not run from the batches that the run in DIR measured.

    A discrete-event simulation with the measured service time; the predictions become a section of the run's report,
    with their error at the points that the run measured. KNOB is replicas, stages, dispatch, batch_size or
    batch_wait_ms; without any, replicas and dispatch are swept. A process needs a core: more of them than the target
    had are predicted for a machine with --cores.

    \b
    python -m harness simulate results/my-run --cores 256
    python -m harness simulate results/my-run replicas=1,2,4,8 stages=1,2 --cores 16 --users-per-replica 64
    python -m harness simulate results/my-run replicas=8 batch_size=1,8,64 --cores 8 --rate 5000
    """  # noqa: D301
    from harness.cli.parts.serving_run import ServingRun
    from harness.judge.simulation.prediction import SIMULATED, Offered
    from harness.record.run_dir import RunDir
    from reports import write_reports
    from reports.views.simulation import simulation_text

    if rate is not None and users_per_replica is not None:
        raise UserError("--rate: a rate has no users; leave out --users-per-replica")
    folder = RunDir.open(run_dir, "DIR")
    record = folder.read()
    offered = Offered(users_per_replica or _most_users(record.plan), rate)
    swept = SIMULATED.parse_sweep(knobs or DEFAULT_WORDS)
    simulation = _simulate(folder, record, swept, offered, cores=_cores(record, cores), named=bool(knobs), seed=seed)
    write_simulation(folder.path, simulation)
    write_reports(folder.path, ServingRun(folder).report())
    if as_json:
        print(msgspec.json.encode(simulation).decode())
    else:
        print(simulation_text(simulation))
        print(f"report: {folder.path / 'report.html'}")
    return ExitCode.OK


def _cores(record: RunRecord, given: int | None) -> int:
    """Those of the machine to predict for. Raises UserError where the user gave none and the target's are not known."""
    cores = given or record.target_cores
    if cores is None:
        raise UserError(
            "--cores: the server was not started here, so its cores are not known; give those of the machine to "
            "predict for, such as --cores 8"
        )
    return cores


def _that_fit(settings: list[Setting], cores: int, *, named: bool) -> list[Setting]:
    """The settings with no more processes than cores. Raises UserError where the user named one that has more."""
    needed = [int(setting["replicas"]) * int(setting["stages"]) for setting in settings]
    most = max(needed)
    if most > cores and (named or min(needed) > cores):
        raise UserError(
            f"--cores: {most} processes were asked for on {cores} core{'s' if cores > 1 else ''}, and processes that "
            f"share a core are not simulated; for a machine with more cores than the target had: --cores {most}"
        )
    return [setting for setting, count in zip(settings, needed, strict=True) if count <= cores]


def _simulate(
    folder: RunDir,
    record: RunRecord,
    swept: Mapping[str, Sequence[Value]],
    offered: Offered,
    *,
    cores: int,
    named: bool,
    seed: int,
) -> Simulation:
    from harness.judge.simulation.batching import batching_of
    from harness.judge.simulation.fit import batch_trials, fit, most_rows
    from harness.judge.simulation.hold_out import error_sentence, prediction_errors
    from harness.judge.simulation.prediction import predict, settings_of
    from harness.judge.simulation.sentences import sentences

    plan = record.plan
    trials = batch_trials(plan, (folder.trial_data(plan, trial) for trial in folder.begun(plan)))
    calibration = fit(trials)
    batching = batching_of(plan.target, plan.fixed, most_rows(trials))
    settings = _that_fit(list(settings_of(swept, batching)), cores, named=named)
    pieces_ms = record.model.piece_ms if record.model else ()
    predictions = tuple(predict(calibration, settings, offered, pieces_ms, seed))
    errors = error_sentence(prediction_errors(trials, seed))
    return Simulation(
        slope_ms=calibration.service.slope_ms,
        base_ms=calibration.service.base_ms,
        request_ms=calibration.request_ms,
        travel_ms=calibration.travel_ms,
        batches=calibration.batches,
        busy_trials=calibration.busy_trials,
        pieces_ms=pieces_ms,
        predictions=predictions,
        sentences=(errors, *sentences(predictions, calibration, pieces_ms, cores, offered.rate_rps)),
        curve_ms=calibration.service.curve_ms,
    )


def _most_users(plan: Plan) -> int:
    return max((point.arrivals.users for point in plan.points if isinstance(point.arrivals, Closed)), default=32)
