"""What the reports that all kinds of runs share (terminal, summary.md, junit.xml, points.csv) take from each kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.plan.knobs import format_value
from reports.labels import reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.findings import JudgedPoint
    from harness.plan.plan import BasePlan, Trial

PointT = TypeVar("PointT", bound="JudgedPoint")
Cell = Callable[[PointT], str]  # a point's text in one column
Columns = Mapping[str, Cell[PointT]]  # by the column's title, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTexts(Generic[PointT]):
    """The names, the limit and the columns of a plan's points, all as text."""

    subject: str  # what was measured: a target or `training`, and the model
    label: Cell[PointT]  # `batch_size=4, 32 users`
    seconds: Callable[[PointT], float]  # how long the point was measured
    limit: str  # `SLO: p99 <= 50 ms`: a name and a value, the latter empty where there is none
    keeps_limit: Callable[[PointT], bool | None]  # None: there is no limit, or that is undecided
    properties: Mapping[str, str]  # of junit.xml; one without a value is left out
    method: Sequence[str]  # of summary.md: how it was measured, parts of one sentence
    plan_lines: Sequence[str]  # what --dry-run prints first
    trial: Callable[[Trial], str]  # what --dry-run calls a trial
    csv_columns: Columns[PointT]
    terminal_columns: Columns[PointT]
    not_narrow: frozenset[str]  # columns that a narrow terminal leaves out
    markdown_columns: Columns[PointT]  # of the table in summary.md, beside name and verdict
    text_columns: frozenset[str] = frozenset()  # columns that hold words and are aligned left
    best_line: Cell[PointT] = lambda _: ""  # what the terminal says of the recommended point
    result_lines: Callable[[Any], Sequence[str]] = lambda _: ()  # what the terminal says of the whole result, after it


def knob_columns(plan: BasePlan[Any], others: Collection[str], shown: Collection[str] = ()) -> dict[str, Cell[Any]]:
    """A column for each varied knob but those `shown`; one with the name of one of the `others` is `knob_NAME`."""

    def cell(name: str) -> Cell[Any]:
        return lambda point: format_value(plan.setting_of(point).get(name, ""))

    names = [name for name in plan.varied if name not in shown]
    return {f"knob_{name}" if name in others else name: cell(name) for name in names}


def verdict_cell(point: JudgedPoint) -> str:
    """`DEGRADED: unsteady, steal`."""
    return ": ".join(filter(None, (point.verdict.value, ", ".join(reasons(point)))))


def with_interval(texts: tuple[str, str]) -> str:
    """`12.3 (11.9-12.8)`."""
    value, interval = texts
    return f"{value} ({interval})" if interval else value
