"""Figures that a language model's server reports about itself over one window: its queue and its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.metrics import ServerFigures
from harness.judge.numbers.time_split import family_of, weighted
from harness.record.rows import ABSENT
from harness.record.server.statistics import GAUGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.metrics import TrialMetrics
    from harness.judge.numbers.trial_rows import RowColumns
    from harness.record.rows import Window
    from harness.record.server.statistics import CounterReading, Counters, CounterShare, ServerStatistics

    Edges = NDArray[np.int64]

_SHOWN = (*GAUGES, "open_waiting")


def with_counted_waiting(statistics: ServerStatistics | None, rows: RowColumns) -> ServerStatistics | None:
    """The statistics with `open_waiting` in place of `waiting`, where the server's own gauge of that is late.

    It is the number of requests in `rows` that are open at the instant of a reading, less those that the server says
    are running. Requests of other clients must not be running meanwhile.
    """
    family = family_of(statistics) if statistics else None
    if statistics is None or family is None or not family.waiting_is_late:
        return statistics
    sent = rows.where(rows["sent_ns"] != ABSENT)
    sent_ns, done_ns = np.sort(sent["sent_ns"]), np.sort(sent["done_ns"][sent["done_ns"] != ABSENT])

    def counted(reading: CounterReading) -> CounterReading:
        gauges = {name: value for name, value in reading.gauges.items() if name != "waiting"}
        if "running" in gauges:
            is_open = np.searchsorted(sent_ns, reading.at_ns) - np.searchsorted(done_ns, reading.at_ns)
            gauges["open_waiting"] = max(0.0, float(is_open) - gauges["running"])
        return msgspec.structs.replace(reading, gauges=gauges)

    return msgspec.structs.replace(statistics, readings=tuple(counted(each) for each in statistics.readings))


def server_figures(statistics: ServerStatistics | None, window: Window) -> ServerFigures | None:
    """Means of gauges over `window`, and growths within it; None where the server says nothing of the kind."""
    family = family_of(statistics) if statistics else None
    if statistics is None or family is None or not (family.gauges or family.shares) or not statistics.readings:
        return None
    inside = [each for each in statistics.readings if window.start_ns <= each.at_ns < window.end_ns]
    means = {
        name: float(np.mean(values))
        for name in _SHOWN
        if (values := [each.gauges[name] for each in inside if name in each.gauges])
    }
    first, last = statistics.over(window)
    grown = {name: value - first.counters[name] for name, value in last.counters.items() if name in first.counters}
    shares = {share.name: value for share in family.shares if (value := _value(share, grown)) is not None}
    return ServerFigures(source=family.name, **means, **shares) if means or shares else None


def _value(share: CounterShare, grown: Counters) -> float | None:
    """None where a counter is absent, has fallen (the server was started again), or nothing was counted."""
    part = _first(share.part, grown)
    if part is None or part < 0:
        return None
    if not share.whole:
        return part
    wholes = [_first(names, grown) for names in share.whole]
    total = sum(whole for whole in wholes if whole is not None)
    return part / total if None not in wholes and total > 0 else None


def _first(names: Sequence[str], grown: Counters) -> float | None:
    return next((grown[name] for name in names if name in grown), None)


def pooled_figures(trials: Sequence[TrialMetrics]) -> ServerFigures | None:
    """The mean over repeats, each weighing as many seconds as it has."""
    told = [trial for trial in trials if trial.server]
    if not told:
        return None
    figures = [name for name in ServerFigures.__struct_fields__ if name != "source"]
    means = {
        name: weighted([(getattr(trial.server, name), round(trial.seconds * 1000)) for trial in told])
        for name in figures
    }
    return ServerFigures(source=told[0].server.source if told[0].server else "", **means)


def gauges_over_time(statistics: ServerStatistics | None, edges_ns: Edges) -> dict[str, tuple[float | None, ...]]:
    """The mean of each gauge in each bin, of which `edges_ns` (bins + 1,) are the ends; None where there is none."""
    readings = statistics.readings if statistics else ()
    bins = np.searchsorted(edges_ns, [each.at_ns for each in readings], side="right") - 1
    found: dict[str, tuple[float | None, ...]] = {}
    for name in _SHOWN:
        values: list[list[float]] = [[] for _ in range(edges_ns.size - 1)]
        for each, place in zip(readings, bins.tolist(), strict=True):
            if name in each.gauges and 0 <= place < len(values):
                values[place].append(each.gauges[name])
        if any(values):
            found[name] = tuple(float(np.mean(some)) if some else None for some in values)
    return found
