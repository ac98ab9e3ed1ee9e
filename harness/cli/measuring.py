"""What every verb that measures has in common, whatever it measures."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from harness.errors import ExitCode, RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.environment import Environment
    from harness.run_folder import RunFolder


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
