"""Timelines as coordinates: each trial in three small drawings of 300 by 60 units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import units
from reports.labels import point_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.metrics import PointMetrics, Timeline, TrialMetrics

WIDTH, HEIGHT = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One quantity over time: its name, its polylines (cut where bins are empty)."""

    name: str
    style: str
    lines: tuple[str, ...]  # values of `points`
    dots: tuple[tuple[float, float], ...]  # bins alone between empty ones


@dataclass(frozen=True, slots=True)
class Panel:
    """One small drawing; its height is `top` in the unit of the title, its bottom zero."""

    title: str
    top: str
    top_value: float
    traces: tuple[Trace, ...]


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial: its panels, and where the measured window lies on them."""

    title: str
    verdict: str
    window_x: float
    window_width: float
    start: str
    end: str
    start_s: float
    end_s: float
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class PointTimelines:
    """The trials of one point."""

    number: int
    point: str
    verdict: str
    words: str
    trials: tuple[TrialView, ...]


def timelines(points: Sequence[PointMetrics]) -> list[PointTimelines]:
    """All points that have something to show over time."""
    found = [
        PointTimelines(
            point.point,
            point_label(point),
            point.verdict.value,
            f"{units.number(point.rate.value)} {point.rate_unit}, p99 {_p99(point)}",
            tuple(_trial(trial) for trial in point.trials if trial.timeline.t_s),
        )
        for point in points
    ]
    return [point for point in found if point.trials]


def _p99(point: PointMetrics) -> str:
    text, _ = units.latency(point.response.at(0.99))
    return text if text == units.ABSENT else f"{text}{units.THIN}ms"


def _trial(trial: TrialMetrics) -> TrialView:
    line = trial.timeline
    start_s = line.t_s[0] - line.bin_s / 2
    span_s = line.t_s[-1] + line.bin_s / 2 - start_s
    xs = [round(WIDTH * (t_s - start_s) / span_s, 1) for t_s in line.t_s]
    first = max(0.0, WIDTH * -start_s / span_s)
    last = min(WIDTH, WIDTH * (trial.seconds - start_s) / span_s)
    return TrialView(
        title=f"Repeat {trial.repeat + 1}: {units.number(trial.rate.value)} {trial.rate_unit}",
        verdict=trial.verdict.value,
        window_x=round(first, 1),
        window_width=round(max(0.0, last - first), 1),
        start=units.with_unit(start_s, "s", 2),
        end=units.with_unit(start_s + span_s, "s", 2),
        start_s=round(start_s, 3),
        end_s=round(start_s + span_s, 3),
        panels=tuple(panel for panel in _panels(line, xs) if any(trace.lines or trace.dots for trace in panel.traces)),
    )


def _panels(line: Timeline, xs: Sequence[float]) -> list[Panel]:
    rates = [("good responses", "rate", line.throughput_rps)]
    if any(line.errors_rps):
        rates.append(("failures", "errors", line.errors_rps))
    return [
        _panel("Throughput, req/s", xs, rates),
        _panel("Response time, ms", xs, [("p50", "p50", line.p50_ms), ("p99", "p99", line.p99_ms)]),
        _panel(
            "The server's requests",
            xs,
            [
                ("running", "rate", line.server.get("running", ())),
                ("waiting", "errors", line.server.get("waiting", ())),
                ("open, not running", "errors", line.server.get("open_waiting", ())),
            ],
        ),
        _panel("KV cache in use, share", xs, [("kv cache", "rate", line.server.get("kv_cache", ()))]),
        _panel("CPU, cores", xs, [("target", "target", line.cpu_target_cores), ("load", "load", line.cpu_load_cores)]),
    ]


def _panel(title: str, xs: Sequence[float], series: Sequence[tuple[str, str, Sequence[float | None]]]) -> Panel:
    top = max((value for _, _, values in series for value in values if value is not None), default=0.0) or 1.0
    traces = tuple(_trace(name, style, xs, values, top) for name, style, values in series if values)
    return Panel(title, units.number(top), top, traces)


def _trace(name: str, style: str, xs: Sequence[float], values: Sequence[float | None], top: float) -> Trace:
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, round(HEIGHT - (HEIGHT - 4) * value / top, 1)))
    lines = tuple(" ".join(f"{x:g},{y:g}" for x, y in run) for run in runs if len(run) > 1)
    return Trace(name, style, lines, tuple(run[0] for run in runs if len(run) == 1))
