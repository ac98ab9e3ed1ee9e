"""The signals that end a command: each would kill it at once, and what was measured would go unreported."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# A closed terminal sends HUP. Batch systems send TERM, USR1, USR2 or XCPU some time before they kill.
# QUIT (Ctrl-\) stays as it is: it ends at once whatever hangs.
ENDING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU)
_UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


def on_ending_signals(handler: Callable[[int, Any], object]) -> None:
    """Have `handler` called for every signal that ends a command.

    One that this process ignores or handles already stays as it is (`nohup`, a command in the background), but TERM.
    """
    signal.signal(signal.SIGTERM, handler)
    for number in (signal.SIGINT, *ENDING):
        if signal.getsignal(number) in _UNTOUCHED:
            signal.signal(number, handler)


def reset_signals() -> None:
    """Undo what a starter may leave: ignored ends of children, whose exit codes were then lost, and blocked signals."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def how_ended(code: int) -> str:
    """`ended with exit code 3`, or `was ended by SIGKILL` for a code of `subprocess` below 0."""
    known = {number.value: number.name for number in signal.Signals}
    return f"was ended by {known.get(-code, f'signal {-code}')}" if code < 0 else f"ended with exit code {code}"
