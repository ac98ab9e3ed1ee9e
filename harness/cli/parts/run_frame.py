"""What every verb that measures has in common, whatever it measures."""

from __future__ import annotations

import itertools
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from harness import __version__
from harness.clock import wall_time
from harness.errors import ExitCode, RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from harness.plan.plan import Plan
    from harness.record.environment import Environment
    from harness.record.run_folder import RunFolder
    from harness.training.plan import TrainingPlan

FolderT = TypeVar("FolderT")
RecordT = TypeVar("RecordT")


def begin(
    create: Callable[[Path], FolderT],
    record: Callable[..., RecordT],
    plan: Plan | TrainingPlan,
    *,
    out: str | None,
    gated: bool,
) -> tuple[FolderT, RecordT]:
    """A new folder for `plan`, `out` or one named after the time, and what is to be its first record."""
    from harness.measure.samplers.gpu import describe_gpus
    from harness.record.environment import capture

    started = wall_time()
    folder = create(new_path(out, plan.name, started))
    return folder, record(
        plan=plan,
        command_line=shlex.join(["python", "-m", "harness", *sys.argv[1:]]),
        started_at=started.isoformat(timespec="seconds"),
        harness_version=__version__,
        environment=capture(describe_gpus()),
        gated=gated,
    )


def new_path(out: str | None, name: str, started: datetime) -> Path:
    """`out`, or else a folder named after the time, with a number where another run began in the same second."""
    if out:
        return Path(out)
    path = Path("results") / f"{started:%Y%m%d-%H%M%S}-{name}"
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain((path,), numbered) if not each.exists())


def measure(
    folder: RunFolder, *, run: Callable[[], None], anything: Callable[[], bool], show: Callable[[], int]
) -> int:
    """Hold the folder, `run`, and whatever happens, `show` what was measured where there is `anything`.

    The exit code is that of `show`, or INTERRUPTED. Raises the RunError that ended `run`, after showing.
    """
    folder.lock()
    signal.signal(signal.SIGTERM, _interrupt)
    stopped: BaseException | None = None
    try:
        run()
    except (RunError, KeyboardInterrupt) as error:
        stopped = error
    if not anything():
        raise stopped or RunError("nothing was measured")
    code = show()
    if isinstance(stopped, KeyboardInterrupt):
        print(f"interrupted; go on with: python -m harness sweep --resume {folder.path}", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if stopped is not None:
        raise stopped
    return code


def warn_of_another_machine(began_on: Environment, here: Environment) -> None:
    """A run that goes on elsewhere mixes points that cannot be compared."""
    if here.fingerprint != began_on.fingerprint:
        print(
            "warning: this machine or its software differs from the one that began this run; "
            "the points of both are not comparable",
            file=sys.stderr,
        )


def _interrupt(signum: int, frame: object) -> NoReturn:
    del signum, frame
    raise KeyboardInterrupt
