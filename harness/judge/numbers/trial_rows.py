"""The rows of one trial as NumPy columns, cut to what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.stats.durations import Durations, narrowed
from harness.judge.stats.mean_intervals import BATCHES, MINIMUM_PER_BATCH, batch_rates
from harness.record.rows import ABSENT, Outcome, Phase, Window

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.judge.numbers.machine.harmed_time import UsableTime
    from harness.record.load_report import LoadReport
    from harness.record.rows import Column, Mask
    from harness.record.trial_data import TrialData


OPEN_OUTCOMES = (Outcome.TIMEOUT, Outcome.ABORTED)  # their true response time is longer than what was waited


class RowColumns:
    """Rows of a table, by column: int64 arrays (n,) in which an absent number is `ABSENT`.

    A column is held once, as narrow as it was recorded and in the table's own memory where it can be. What `[]` returns
    of it is made when it is asked for, and shared while anyone holds it: ten million rows of all columns that are
    looked at, and of the good ones among them, would be four gigabytes.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._recorded: dict[str, NDArray[np.integer]] = {}  # of the table
        self._choice: NDArray[np.int64] | Mask | None = None  # places in the table, or which of its rows
        self._length: int = table.num_rows
        self._arrays: WeakValueDictionary[str, Column] = WeakValueDictionary()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Column:
        known = self._arrays.get(name)
        if known is None:
            known = self._arrays[name] = self._narrow(name).astype(np.int64, copy=False)
        return known

    def knows(self, name: str) -> bool:
        """Whether any row of the table has a number in this column."""
        column = self._table.column(name)
        return bool(column.null_count < len(column))

    def _narrow(self, name: str) -> NDArray[np.integer]:
        """The column as it was recorded."""
        if not self.knows(name):  # most columns of most runs
            return np.broadcast_to(np.int64(ABSENT), (self._length,))  # in the memory of one
        if name not in self._recorded:
            self._recorded[name] = _recorded(self._table.column(name))
        recorded = self._recorded[name]
        return recorded if self._choice is None else recorded[self._choice]

    def _chosen(self, choice: NDArray[np.int64] | Mask, length: int) -> RowColumns:
        rows = RowColumns(self._table)
        rows._recorded, rows._choice, rows._length = self._recorded, choice, length
        return rows

    def where(self, mask: Mask) -> RowColumns:
        """The rows for which `mask` holds, in the same order."""
        length = int(np.count_nonzero(mask))
        if length == mask.size:
            return self
        if self._choice is None:
            return self._chosen(mask, length)
        if self._choice.dtype != np.bool_:
            return self._chosen(self._choice[mask], length)
        choice = self._choice.copy()
        choice[self._choice] = mask
        return self._chosen(choice, length)

    def by(self, name: str) -> RowColumns:
        """The same rows in ascending order of `name`; ties keep their order."""
        column = self[name]
        if bool((column[1:] >= column[:-1]).all()):
            return self
        order = np.argsort(column, kind="stable")
        if self._choice is None:
            return self._chosen(order, order.size)
        places = np.flatnonzero(self._choice) if self._choice.dtype == np.bool_ else self._choice
        return self._chosen(places[order], order.size)

    def outcome_is(self, *outcomes: Outcome) -> Mask:
        """Which rows ended in one of `outcomes`."""
        ended = self._narrow("outcome")
        mask: Mask = np.logical_or.reduce([ended == outcome for outcome in outcomes])
        return mask


def _recorded(column: pa.ChunkedArray) -> NDArray[np.integer]:
    if column.num_chunks == 1 and not column.null_count:
        values: NDArray[np.integer] = column.chunk(0).to_numpy()
        return values
    values = np.empty(len(column), dtype=column.type.to_pandas_dtype())
    filled = 0
    for chunk in column.chunks:
        values[filled : filled + len(chunk)] = chunk.fill_null(ABSENT) if chunk.null_count else chunk
        filled += len(chunk)
    return values


@dataclass(frozen=True)
class TrialRows:
    """One trial's rows: all of them, and those due in the measure phase in the order they were due.

    `usable`: the part of the window by which latencies and rates are judged; None: all of it.
    """

    everything: RowColumns
    due: RowColumns
    window: Window
    usable: UsableTime | None = None

    def having(self, column: str, number: int) -> TrialRows:
        """The rows with that number in a column: those of one request class, or of one server."""
        chosen = self.due[column] == number
        everything = self.everything.where(self.everything[column] == number)
        return TrialRows(everything, self.due.where(chosen), self.window, self.usable)

    @cached_property
    def judged(self) -> RowColumns:
        """Those of `due` whose latencies count."""
        return self.due if self.usable is None else self.due.where(self.usable.holds_due(self.due["due_ns"]))

    @cached_property
    def good(self) -> RowColumns:
        """The good responses among `judged`."""
        return self.judged.where(self.judged.outcome_is(Outcome.OK))

    @cached_property
    def response(self) -> Durations:
        """Done - due of good responses; for requests still open at the end, how long they had been waiting."""
        return self._until_done("due_ns")

    @cached_property
    def service(self) -> Durations:
        """Done - sent, of the same requests."""
        return self._until_done("sent_ns")

    @cached_property
    def lateness(self) -> Durations:
        """Sent - due of everything that was sent, whatever became of it, less what clients spent on preprocessing."""
        sent = self.judged.where(self.judged["sent_ns"] != ABSENT)
        late_ns = sent["sent_ns"] - sent["due_ns"]
        if sent.knows("client_ns"):
            late_ns -= np.maximum(sent["client_ns"], 0)
        return Durations(narrowed(late_ns), np.zeros(len(sent), dtype=np.bool_))

    def rates_rps(self, limit_ns: int | None = None, kept: Mask | None = None) -> NDArray[np.float64]:
        """Good responses per second (batches,) in equal stretches of what is judged, whichever phase they were due in.

        With `limit_ns`, only those that came within it of their due time; with `kept`, only those of `everything` for
        which it holds.
        """
        rows = self.everything
        done_ns = rows["done_ns"]
        counted = rows.outcome_is(Outcome.OK) & self.window.holds(done_ns)
        if limit_ns is not None:
            counted &= done_ns - rows["due_ns"] <= limit_ns
        if kept is not None:
            counted &= kept
        size = int(np.count_nonzero(counted if self.usable is None else counted & self.usable.holds(done_ns)))
        return self.rates_of(done_ns[counted], max(1, min(BATCHES, size // MINIMUM_PER_BATCH)))

    def rates_of(self, instants_ns: Column, batches: int) -> NDArray[np.float64]:
        """Events per second (batches,) in equal stretches of what is judged; `instants_ns` (n,) lie in the window.

        In an open loop that others held up, what was left of the backlog is no part of the rate: it is not sustained.
        """
        window, usable = self.window, self.usable
        if usable is None:
            return batch_rates(instants_ns, window.start_ns, window.end_ns, batches)
        joined_ns = usable.joined_ns(instants_ns[usable.holds(instants_ns)])
        sustained = 1 - usable.worked_off / max(1, self._ended_usable)
        return sustained * batch_rates(joined_ns, 0, round(usable.seconds * NS_PER_S), batches)

    @cached_property
    def _ended_usable(self) -> int:
        return int(np.count_nonzero(self.usable.holds(self.everything["done_ns"]))) if self.usable else 0

    def _until_done(self, since: str) -> Durations:
        rows = self.judged
        still_open = rows.outcome_is(*OPEN_OUTCOMES)
        counted = (rows.outcome_is(Outcome.OK) | still_open) & (rows[since] != ABSENT)
        waited_ns = np.where(rows["done_ns"] == ABSENT, self.window.end_ns, rows["done_ns"])
        waited_ns -= rows[since]
        np.maximum(waited_ns, 0, out=waited_ns)
        return Durations(narrowed(waited_ns[counted]), still_open[counted])


def trial_rows(evidence: TrialData) -> TrialRows | None:
    """The trial's rows in columns; None where nothing was due in a measure phase."""
    if evidence.rows is None:
        return None
    everything = RowColumns(evidence.rows)
    due = everything.where(everything["phase"] == Phase.MEASURE).by("due_ns")
    if not len(due):
        return None
    window = _window(evidence.reports, due)
    return TrialRows(everything, due, window)


def _window(reports: tuple[LoadReport, ...], due: RowColumns) -> Window:
    """The time in which every worker that ended in order was measuring; by the rows where none says."""
    spans = [
        (report.measure_start_ns, report.measure_end_ns)
        for report in reports
        if report.measure_start_ns is not None and report.measure_end_ns is not None
    ]
    if spans and max(start for start, _ in spans) < min(end for _, end in spans):
        return Window(max(start for start, _ in spans), min(end for _, end in spans))
    return Window(int(due["due_ns"][0]), int(max(due["due_ns"][-1], due["done_ns"].max())) + 1)


def lost_requests(reports: tuple[LoadReport, ...], rows: RowColumns) -> int:
    """Requests that a worker had sent by its last, not final report, and of which no row reached the disk."""
    lost = 0
    for report in reports:
        if not report.final:
            of_worker = rows["worker"] == report.worker
            sent = int(np.count_nonzero(of_worker & (rows["outcome"] != Outcome.NOT_SENT)))
            lost += max(0, report.sent - sent)
    return lost
