"""The log of a `fixed` server: the true instants of every request, to calibrate a load generator.

CSV with a header line; instants in nanoseconds on CLOCK_MONOTONIC. `answered_ns` is empty for a request without a
response or with a reset connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from targets.servers.fixed.schedule import PlannedResponse

HEADER = b"arrived_ns,start_ns,due_ns,answered_ns,outcome\n"
BUFFER_BYTES = 1 << 20
FLUSH_EVERY = 1000


class TruthLog:
    """Appends one line per request, buffered so that a line costs under a microsecond."""

    def __init__(self, path: str) -> None:
        try:
            self._file = Path(path).open("wb", buffering=BUFFER_BYTES)  # noqa: SIM115  (closed by `close`)
        except OSError as error:
            raise UserError(f"log_path={path}: {error.strerror}; name a file that can be written") from error
        self._file.write(HEADER)
        self._since_flush = 0

    def write(self, arrived_ns: int, planned: PlannedResponse, answered_ns: int | None) -> None:
        """Append one request."""
        answered = b"" if answered_ns is None else b"%d" % answered_ns
        outcome = planned.outcome.encode()
        self._file.write(b"%d,%d,%d,%s,%s\n" % (arrived_ns, planned.start_ns, planned.due_ns, answered, outcome))
        self._since_flush += 1
        if self._since_flush >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Pass buffered lines to the kernel."""
        self._file.flush()
        self._since_flush = 0

    def close(self) -> None:
        """Write buffered lines and close the file."""
        self._file.close()
