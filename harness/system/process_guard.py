"""Ends processes whose starter has died, by whatever signal, and wakes those that are stopped.

Three means, because none of them holds alone:

- `ProcessGuard`, for a process and its group: a shell of 1 MB that waits at a pipe. When the starter dies, even by
  kill -9, the kernel closes the pipe; the shell then continues, asks and at last kills the group. It needs no
  cooperation, so it is also for programs of others.
- `wake_when_parent_dies`, for a process that reads a lifeline: where it is stopped it would never read the end of it.
- `die_with_parent`, for a fork that has no lifeline.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENCE_S = 16.0
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
# $1: the process, or its group as a negative number; $2: a file that lists more processes, or empty.
# $3: for how many fifths of a second it may go on. One that reads its lifeline ends by itself in the first second.
# The words after them: a command that ends it.
_SCRIPT = """
read -r _
pid=$1 members=$2 turns=$3
shift 3
kill -s CONT -- "$pid" 2>/dev/null
[ $# -eq 0 ] || "$@" </dev/null &
for turn in $(seq "$turns"); do
    kill -s 0 -- "$pid" 2>/dev/null || break
    [ "$turn" -eq 5 ] && kill -s TERM -- "$pid" 2>/dev/null
    sleep 0.2
done
kill -s KILL -- "$pid" $([ -z "$members" ] || cat "$members") 2>/dev/null
wait
"""


class ProcessGuard:
    """Guards process `pid`, or the whole group that it leads, until `release`. Without a shell it does nothing.

    Args:
        pid: the process.
        group: whether it leads a process group.
        members: the file of a control group that lists further processes.
        patience_s: how long it may go on after the death of its starter.
        order: the words of a command that ends it; empty where signals do.
        cwd, env: of that command.
    """

    def __init__(
        self,
        pid: int,
        *,
        group: bool,
        members: Path | None = None,
        patience_s: float = PATIENCE_S,
        order: Sequence[str] = (),
        **place: Any,
    ) -> None:
        waiting, self._pipe = os.pipe()
        turns = round(5 * patience_s)
        argv = ["sh", "-c", _SCRIPT, "guard", str(-pid if group else pid), str(members or ""), str(turns), *order]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **place}
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(argv, stdin=waiting, start_new_session=True, **quiet)
        except OSError:
            os.close(self._pipe)
        finally:
            os.close(waiting)

    def release(self) -> None:
        """End the guard; the process is left as it is. Does nothing a second time."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        os.close(self._pipe)
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def wake_when_parent_dies() -> None:
    """Have the kernel continue this process, where it is stopped, when the thread that started it ends."""
    _prctl(signal.SIGCONT)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends; end now where `parent` is gone already."""
    _prctl(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def forks_die_with_this() -> None:
    """Have every later fork of this process die with it."""
    parent = os.getpid()

    def before() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=before, after_in_child=lambda: die_with_parent(parent))


def _prctl(number: signal.Signals) -> None:
    try:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(number), 0, 0, 0)
    except (OSError, AttributeError):  # no Linux
        return
