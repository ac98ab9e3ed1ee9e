"""Linux timer descriptors: a timer that can be waited for beside sockets.

(`os.timerfd_create` exists from Python 3.13 on; this is the same by ctypes.)
"""

from __future__ import annotations

import ctypes
import os

from harness.clock import NS_PER_S

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _Spec(ctypes.Structure):
    """`struct itimerspec`: interval, then the first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


_libc = ctypes.CDLL(None, use_errno=True)


class TimerFd:
    """Readable from an absolute instant of CLOCK_MONOTONIC on, and again every `interval_ns`."""

    def __init__(self) -> None:
        self._fd = int(_libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _Spec()
        self._reference = ctypes.byref(self._spec)
        self._set = _libc.timerfd_settime

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def arm(self, first_ns: int, interval_ns: int = 0) -> None:
        """Expire at `first_ns`, at once where that has passed."""
        spec = self._spec
        spec.first_s, spec.first_ns = divmod(max(first_ns, 1), NS_PER_S)
        spec.interval_s, spec.interval_ns = divmod(interval_ns, NS_PER_S)
        self._set(self._fd, _TFD_TIMER_ABSTIME, self._reference, None)

    def expirations(self) -> int:
        """How often it has expired since this was last asked."""
        try:
            return int.from_bytes(os.read(self._fd, 8), "little")
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)
