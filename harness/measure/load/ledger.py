"""The ledger of a load process: counters, rows and errors.

Counters and rows are kept apart, so that one can be checked against the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.measure.load.connections.connection import IDLE
from harness.measure.load.connections.repeated_response import RepeatedResponses
from harness.measure.load.payloads.response_check import RIGHT
from harness.measure.load.server_timing import TIMING_COLUMNS, ServerTimingReader
from harness.record.rows import ABSENT, NOTED, Outcome
from harness.wire.http.refusal import REFUSED_STATUSES
from harness.wire.own.expectation import OF_SUCCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.connections.receive_stamps import StampedReceiver
    from harness.measure.load.connections.repeated_response import GoodResponse
    from harness.measure.load.payloads.payload_sets import ResponseReader
    from harness.measure.load.payloads.response_check import Check
    from harness.measure.load.phases import Phases
    from harness.record.recorder import Recorder, Rows
    from harness.wire.http.llhttp_parser import HttpResponse

    Places = Sequence[tuple[int, int, int]]  # of each payload: its request class, its number within it, its label

MAX_ERROR_TEXTS = 100
MAX_ERROR_CHARS = 500
OTHER = "other"
DERIVED = ("request", "worker", "phase", "request_class", "label")  # of every row, when it is taken
HIDDEN = b"[token]"
_OK, _ERROR, _REJECTED, _NOT_SENT = (int(o) for o in (Outcome.OK, Outcome.ERROR, Outcome.REJECTED, Outcome.NOT_SENT))


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """A request that another client has made and timed."""

    outcome: Outcome
    error: str  # empty where there was none
    status: int  # ABSENT without a response
    size_bytes: int
    start_ns: int
    done_ns: int
    checked: bool = False  # its task has looked into the response
    unnoticed: str = ""  # the failure that the response reports, though it was taken as good


class Ledger:
    """Counts each request when it is scheduled, sent and ended, and writes its row."""

    def __init__(self, recorder: Recorder, reader: ResponseReader, places: Places, phases: Phases, worker: int) -> None:
        self.recorder = recorder
        self.phases = phases
        self.worker = worker
        self.scheduled = 0
        self.sent = 0
        self.resent = self.unasked = 0
        self.reconnects = self.reconnect_ns = 0
        self.checked = 0
        self.ended = [0] * len(Outcome)  # by outcome
        self.secrets: tuple[bytes, ...] = ()  # what requests carry; a server may repeat it in an error message
        self.user_paced = False  # requests come from Python code of the users, which may wait between them
        self.errors: dict[str, int] = {}
        self.class_errors: Counter[tuple[int, str]] = Counter()  # the same errors by request class
        self.disbelieved: dict[str, int] = {}  # what servers said of themselves that cannot be true
        self.observed_errors: dict[str, int] = {}  # of other clients, which report to Locust themselves
        self.unnoticed: dict[str, int] = {}  # failures that responses to such clients report and tasks took as good
        self._check, self._describe, self._statuses, self._right_statuses = reader
        self._places = places
        self._place_table = np.empty((0, 3), np.int64)
        self._add = recorder.add
        self.repeated = RepeatedResponses()
        self._rows_taken = 0
        self._row = 0  # of the next row, since the last `take`
        self._timed_rows: list[int] = []  # with `_timings`: two flat lists, which cost the garbage collector nothing
        self._timings: list[bytes] = []
        self._stamped_rows: list[int] = []  # with `_waited_ns`, likewise
        self._waited_ns: list[int] = []
        self._split_reader = ServerTimingReader()
        self._preprocessed: list[tuple[int, dict[str, int]]] = []  # row, ns of client-side preprocessing by step

    @property
    def open_requests(self) -> int:
        """How many requests were sent and have not ended."""
        return self.sent - sum(self.ended) + self.ended[_NOT_SENT]

    def open(self) -> None:
        """Create the file."""
        self.recorder.open()

    def write(self, rows: Rows) -> None:
        """Append rows that `take` returned to the file."""
        self.recorder.write(rows)

    def close(self) -> None:
        """Close the file."""
        self.recorder.close()

    def responded(
        self, connection: Connection, response: HttpResponse, done_ns: int, check: Check | None = None
    ) -> int:
        """Record a response, good or bad. Returns its outcome. `check` replaces the check against the bank."""
        status, body, timing, _, size_bytes, _ = response
        checked, predicted = 0, ABSENT
        if status in (self._statuses if check is None else OF_SUCCESS):
            by_status = check is None and status in self._right_statuses
            result = RIGHT if by_status else (check or self._check)(connection.payload, body)
            outcome, checked, predicted, settled = result
            self.checked += checked
            if outcome:
                self._count_error(connection.payload, self._hidden(result.reason))
            elif settled and connection.state == IDLE:
                self.repeated.remember(connection.payload, connection.last_read, response, result)
        else:
            outcome = _REJECTED if status in REFUSED_STATUSES else _ERROR
            self._count_error(connection.payload, self._describe(status, self._without_secrets(body)))
        if timing:
            self._timed_rows.append(self._row)
            self._timings.append(timing)
        if connection.stamps is not None:
            self._note_wait(connection.stamps)
        self._add_row(connection, outcome, done_ns, size_bytes, status, checked, predicted)
        return outcome

    def repeat(self, connection: Connection, good: GoodResponse, timing: bytes, done_ns: int) -> None:
        """Record a response that equals an earlier `good` one to the same payload but for its durations, `timing`."""
        self.checked += good.checked
        self.repeated.repeats += 1
        if timing:
            self._timed_rows.append(self._row)
            self._timings.append(timing)
        if connection.stamps is not None:
            self._note_wait(connection.stamps)
        self.ended[_OK] += 1
        add = self._add  # as `_add_row` does, without the call: this is the way of nearly every request
        add((
            connection.due_ns,
            connection.sent_ns,
            done_ns,
            done_ns,
            len(connection.request),
            good.fixed_bytes + len(timing),
            connection.user,
            connection.payload,
            good.predicted,
            good.status,
            _OK,
            good.checked,
        ))  # fmt: skip
        if connection.spent_ns:
            self._preprocessed.append((self._row, connection.spent_ns))
        self._row += 1

    def _note_wait(self, stamps: StampedReceiver) -> None:
        self._stamped_rows.append(self._row)
        self._waited_ns.append(stamps.waited_ns)

    def failed(self, connection: Connection, outcome: Outcome, text: str, done_ns: int) -> None:
        """Record a request without a response, or with one that holds no prediction."""
        if outcome is not Outcome.CANCELLED:
            self._count_error(connection.payload, self._hidden(text))
        self._add_row(connection, int(outcome), done_ns, ABSENT, ABSENT, 0, ABSENT)

    def _without_secrets(self, content: bytes) -> bytes:
        for secret in self.secrets:
            content = content.replace(secret, HIDDEN)
        return content

    def _hidden(self, text: str) -> str:
        if not self.secrets:
            return text
        return self._without_secrets(text.encode(errors="backslashreplace")).decode(errors="replace")

    def observed(self, seen: ObservedRequest, place: int) -> None:
        """Record a request of another client. Its instants are as exact as that client's clock."""
        self.user_paced = True
        self.scheduled += 1
        self.sent += 1
        self.ended[seen.outcome] += 1
        self.checked += seen.checked
        if seen.error:
            _count(self.observed_errors, self._hidden(seen.error))
        if seen.unnoticed:
            _count(self.unnoticed, self._hidden(seen.unnoticed))
        known = {
            "due_ns": seen.start_ns,
            "sent_ns": seen.start_ns,
            "done_ns": seen.done_ns,
            "response_bytes": seen.size_bytes,
            "payload": place,
            "status": seen.status,
            "outcome": int(seen.outcome),
            "checked": int(seen.checked),
        }
        self._add([known.get(name, ABSENT) for name in NOTED])
        self._row += 1

    def not_sent(self, due_ns: int, payload: int) -> None:
        """Record a request that was due while too many were open."""
        self._count_error(payload, "not sent: too many requests open")
        self.ended[_NOT_SENT] += 1
        known = {"due_ns": due_ns, "payload": payload, "outcome": _NOT_SENT, "checked": 0}
        self._add([known.get(name, ABSENT) for name in NOTED])
        self._row += 1

    def _add_row(  # noqa: PLR0917  (a tuple for each request would cost time)
        self,
        connection: Connection,
        outcome: int,
        done_ns: int,
        size_bytes: int,
        status: int,
        checked: int,
        predicted: int,
    ) -> None:
        self.ended[outcome] += 1
        add = self._add
        add((
            connection.due_ns,
            connection.sent_ns,
            connection.first_byte_ns,
            done_ns,
            len(connection.request),
            size_bytes,
            connection.user,
            connection.payload,
            predicted,
            status,
            outcome,
            checked,
        ))  # fmt: skip
        if connection.spent_ns:
            self._preprocessed.append((self._row, connection.spent_ns))
        self._row += 1

    def take(self) -> Rows:
        """The rows since the last `take`, with derived columns and the servers' own durations."""
        rows = self.recorder.take((*DERIVED, *sorted(self._filled())))
        rows["request"] = np.arange(self._rows_taken, self._rows_taken + rows.size)
        rows["worker"] = self.worker
        rows["phase"] = self.phases.of(rows["due_ns"])
        rows["request_class"], rows["payload"], rows["label"] = self._table()[rows["payload"]].T
        impossible = self._split_reader.fill(rows, zip(self._timed_rows, self._timings, strict=True))
        for name, count in impossible.items():
            self._disbelieve(f"Server-Timing with {name} beyond any duration", count)
        if self._stamped_rows:
            rows["read_wait_ns"][self._stamped_rows] = self._waited_ns
        for row, spent_ns in self._preprocessed:
            for name, ns in spent_ns.items():
                rows[f"{name}_ns"][row] = ns
        self._rows_taken += rows.size
        self._timed_rows, self._timings, self._preprocessed, self._row = [], [], [], 0
        self._stamped_rows, self._waited_ns = [], []
        return rows

    def _filled(self) -> set[str]:
        """Columns of the rows to be taken in which some request has a number, beside those of all requests."""
        steps = {f"{name}_ns" for _, spent_ns in self._preprocessed for name in spent_ns}
        waits = {"read_wait_ns"} if self._stamped_rows else set()
        return steps | waits | (set(TIMING_COLUMNS) if self._timed_rows else set())

    def _table(self) -> NDArray[np.int64]:
        """The places as an array (n, 3); users' own requests may have added some since the last call."""
        if len(self._place_table) < len(self._places):
            self._place_table = np.array(self._places, np.int64)
        return self._place_table

    def _disbelieve(self, text: str, count: int = 1) -> None:
        _count(self.disbelieved, self._hidden(text), count)

    def _count_error(self, payload: int, text: str) -> None:
        self.class_errors[self._places[payload][0], _count(self.errors, text)] += 1


def _count(errors: dict[str, int], text: str, count: int = 1) -> str:
    """Count an error. Returns the text under which it is counted: there are no more than `MAX_ERROR_TEXTS`."""
    text = text[:MAX_ERROR_CHARS]
    if text not in errors and len(errors) >= MAX_ERROR_TEXTS - 1:
        text = OTHER
    errors[text] = errors.get(text, 0) + count
    return text
