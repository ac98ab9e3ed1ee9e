"""The data of one point as CSV files that lie in the page itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from reports.units import machine_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judge.metrics import PointMetrics, Timeline

_COLUMNS = ("throughput_rps", "p50_ms", "p99_ms", "errors_rps", "cpu_target_cores", "cpu_load_cores")


def data_url(text: str) -> str:
    """An address that holds the text."""
    return "data:text/csv;charset=utf-8," + quote(text, safe=",.-_:/;()=+ ").replace(" ", "%20")


def timeline_csv(point: PointMetrics) -> str:
    """The timelines of all trials; an empty field where a bin is."""
    rows = (
        (trial.repeat + 1, *row)
        for trial in point.trials
        if trial.timeline.t_s
        for row in _timeline_rows(trial.timeline)
    )
    return _csv(("repeat", "t_s", *_COLUMNS), rows)


def histogram_csv(point: PointMetrics) -> str:
    """The histogram of the response times that the percentiles are made from."""
    if point.spread is None:
        return ""
    edges_ms = point.spread.edges_ms
    return _csv(("from_ms", "to_ms", "responses"), zip(edges_ms, edges_ms[1:], point.spread.counts, strict=False))


def _timeline_rows(line: Timeline) -> Iterator[tuple[float | None, ...]]:
    columns = [getattr(line, name) or (None,) * len(line.t_s) for name in _COLUMNS]
    return zip(line.t_s, *columns, strict=True)


def _csv(names: Sequence[str], rows: Iterable[Sequence[float | None]]) -> str:
    lines = (",".join(map(machine_number, row)) for row in rows)
    return "\n".join((",".join(names), *lines)) + "\n"
