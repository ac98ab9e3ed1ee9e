"""The run directory of a load that a user starts with `locust`: each of its tests is a trial, as in any other run."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from locust.argument_parser import get_parser

from harness import __version__
from harness.clock import NS_PER_S, wall_time
from harness.measure.samplers.machine.gpu import describe_gpus
from harness.plan.load_options import ARRIVALS
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.machine.environment import capture
from harness.record.run_dir import RunDir, RunRecord, TrialRecord
from harness.system.cpu_cores import plan_isolation
from harness.system.named_secrets import hidden_query_secrets
from harness.wire.credentials import without_user

FOLDER = "%Y-%m-%d-%H%M%S-locust"
# Options in which tests of one run may differ. Host and user classes are read where Locust keeps them while it runs.
VARYING = frozenset((
    *("host", "user_classes", "num_users", "spawn_rate", "run_time", "seed", "sweepspot_orders"),
    *(option.name for option in ARRIVALS),
))  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from harness.plan.load_settings import TrialLoad
    from harness.record.load_report import LoadReport
    from harness.record.run_dir import TrialDir
    from harness.system.cpu_cores import Isolation


class RunByHand:
    """A run that grows by one trial with each test; a test of the same users or arrivals repeats an earlier point.

    subject: as of `subject_of`, when the run began; a test of another subject is of another run.
    """

    def __init__(
        self, environment: Environment, load: TrialLoad, isolation: Isolation | None, processes: int, *, further: bool
    ) -> None:
        """Make the folder. Raises UserError where it cannot be made.

        isolation: of the server that this process started; None where it started none.
        further: this process has made a run before; the folder then has a number.
        """
        if isolation is None:
            shared = plan_isolation(isolate=False)
            isolation = shared if load.target else shared.of_load()
        started = wall_time()
        path = Path(environment.parsed_options.out or Path("results") / f"{started.astimezone():{FOLDER}}")
        self.shown_path = _numbered(path) if further else path
        self.folder = RunDir.create(self.shown_path.resolve())
        self.subject = subject_of(environment)
        self._environment = environment
        self._record = RunRecord(
            plan=_plan(environment, load, processes),
            command_line=shlex.join(["locust", *without_secrets(sys.argv[1:])]),
            started_at=started.isoformat(timespec="seconds"),
            harness_version=__version__,
            environment=capture(describe_gpus()),
            isolation=isolation.text,
            isolated=isolation.isolated,
            target_cores=len(isolation.target_cores) or None,
        )
        self._open: tuple[Trial, Point, TrialDir] | None = None

    def begin(self, load: TrialLoad) -> str:
        """Add a trial. Returns its folder, which does not exist yet."""
        plan = self._record.plan
        same = [point for point in plan.points if point.arrivals == load.arrivals]
        point = same[0] if same else Point(number=len(plan.points), setting={}, arrivals=load.arrivals)
        repeat = sum(trial.point == point.number for trial in plan.trials)
        trial = Trial(number=len(plan.trials), point=point.number, repeat=repeat, seed=load.seed)
        self._open = trial, point, self.folder.trial(trial, point)
        self._write(points=plan.points if same else (*plan.points, point), trials=(*plan.trials, trial))
        return str(self._open[2].path)

    def end(self) -> None:
        """Write what the trial that has ended was. Does nothing where none is open."""
        if self._open is None:
            return
        (trial, point, folder), self._open = self._open, None
        reports = tuple(folder.reports())
        timed = msgspec.structs.replace(trial, seconds=max(map(_measured_s, reports), default=0.0))
        self._write(trials=(*self._record.plan.trials[:-1], timed))
        folder.to_parquet()
        record = TrialRecord(
            trial=timed,
            point=point,
            finished=bool(reports),
            failure=None if reports else "the load process left no report",
            load_exit_code=self._environment.process_exit_code,
            target_url=hidden_query_secrets(self._environment.host or "") or None,
            isolated=self._record.isolated,
        )
        folder.write(record)

    def _write(self, **changes: Any) -> None:
        plan = msgspec.structs.replace(self._record.plan, **changes)
        self._record = msgspec.structs.replace(self._record, plan=plan)
        self.folder.write(self._record)


def subject_of(environment: Environment) -> dict[str, Any]:
    """What the tests of a run have in common: server, users and options, but for how many users and how long."""
    options, host = vars(environment.parsed_options).items(), environment.host
    return {
        **{name: value or None for name, value in options if name not in VARYING},  # a page sends "" for None
        "users": [(each.fullname(), {**each.json(), "host": host or each.host}) for each in environment.user_classes],
        "shape": type(environment.shape_class),
    }


def _numbered(path: Path) -> Path:
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in numbered if not each.exists())


def _measured_s(report: LoadReport) -> float:
    start_ns, end_ns = report.measure_start_ns, report.measure_end_ns
    return 0.0 if start_ns is None or end_ns is None else max(end_ns - start_ns, 0) / NS_PER_S


def _plan(environment: Environment, load: TrialLoad, processes: int) -> Plan:
    """What the user asks Locust for, as a plan without points."""
    options = environment.parsed_options
    settings: dict[str, Any] = {name: getattr(load, name) for name in LoadSettings.__struct_fields__}
    settings["measure_s"] = load.measure_s or float(options.run_time or 0)
    return Plan(
        name="locust",
        model=load.model if load.classes else "",
        target=load.target or hidden_query_secrets(without_user(environment.host or "")),
        scenario=options.locustfile,
        load=LoadSettings(**settings),
        repeats=1,
        seed=load.seed,
        own_requests=not load.classes,
        in_process=load.target is not None,
        load_processes=processes,
    )


def without_secrets(words: Sequence[str]) -> list[str]:
    """The arguments of `locust`, without the values of those that its locustfile declares secret, and users in URLs."""
    actions = get_parser()._actions  # noqa: SLF001  (argparse offers no list of them)
    secret = {flag for each in actions if getattr(each, "is_secret", False) for flag in each.option_strings}
    kept: list[str] = []
    for word in words:
        flag, equals, _ = word.partition("=")
        hidden = bool(kept) and kept[-1] in secret
        shown = hidden_query_secrets(without_user(word))
        kept.append("..." if hidden else f"{flag}=..." if equals and flag in secret else shown)
    return kept
