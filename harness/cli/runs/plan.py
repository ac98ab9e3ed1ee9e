"""`harness plan`: how many replicas a rate needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.parts.option_types import SEED, Parsed, SloType
from harness.errors import ExitCode
from harness.plan.load_options import MOST_RPS
from harness.plan.option_text import number

if TYPE_CHECKING:
    from harness.judge.replicas.no_replica_plan import NoReplicaPlan
    from harness.judge.replicas.replica_plan import ReplicaPlan
    from harness.plan.slo import Slo


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--rate",
    type=Parsed(number(0, MOST_RPS, above=True), "number"),
    required=True,
    help="Requests/s that arrive for all replicas together.",
)
@click.option(
    "--slo", type=SloType(), default=None, metavar="BOUND", help="The limit, such as 'p99<30ms'.  [default: the run's]"
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Makes the simulation repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(run_dir: Path, *, rate: float, slo: Slo | None, seed: int, as_json: bool) -> int:
    """Say how many replicas keep a latency limit at a rate, from what the run in DIR measured of one.

    Says also how much they are used, what the loss of one does, how much is extrapolated, and how far the prediction
    is off at measured points that it was not made from. Exit code 5: no number of replicas keeps the limit; 8: the run
    does not show how many do.

    \b
    python -m harness sweep concurrency=1,8,32,128 --out results/users
    python -m harness plan results/users --rate 5000 --slo 'p99<30ms'
    """  # noqa: D301
    import msgspec

    from harness.cli.parts.serving_run import ServingRun
    from harness.errors import UserError
    from harness.judge.replicas.no_replica_plan import NoReplicaPlan
    from harness.judge.replicas.replica_plan import Demand, plan_replicas
    from harness.judge.simulation.fit import batch_trials

    run = ServingRun.open(run_dir, "DIR")
    record = run.folder.read()
    limit = slo or record.plan.slo
    if limit is None:
        raise UserError("--slo: the run has no limit of its own; give one, such as 'p99<30ms'")
    trials = batch_trials(
        record.plan, (run.folder.trial_data(record.plan, each) for each in run.folder.begun(record.plan))
    )
    found = plan_replicas(record.plan, run.report().result, trials, Demand(rate, limit, seed))
    sentences, code = _told(found, record.target_cores)
    if as_json:
        planned = None if isinstance(found, NoReplicaPlan) else found
        print(msgspec.json.encode({"plan": planned, "sentences": sentences}).decode())
    else:
        print("\n".join(sentences))
    return code


def _told(found: ReplicaPlan | NoReplicaPlan, cores: int | None) -> tuple[list[str], ExitCode]:
    """The answer in sentences, and the exit code. cores: of each replica; None where they are not known."""
    from harness.judge.replicas.no_replica_plan import NoReplicaPlan
    from harness.judge.replicas.replica_sentences import replica_sentences

    if not isinstance(found, NoReplicaPlan):
        return [*replica_sentences(found, cores)], ExitCode.OK
    if found.never:
        return [found.reason], ExitCode.SLO_MISSED
    return [f"Cannot be said. {found.reason}"], ExitCode.CANNOT_BE_SAID
