"""Two runs, or two variants, compared, as text for a terminal or a log, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.judge.conclusions.run_comparison import STREAM_FIGURES
from harness.judge.number_text import percent
from harness.judge.paired_result import FAILED
from harness.judge.phrases import level_text, points_text
from harness.judge.significance import Change
from reports import units
from reports.labels import load_label, point_label
from reports.text.terminal_table import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.conclusions.run_comparison import PointComparison, RunComparison
    from harness.judge.interval import Interval
    from harness.judge.paired_result import PairedComparison, PairedFigure
    from harness.judge.significance import Comparison
    from harness.plan.plan import Plan, Point

CHANGE_WORDS = {
    Change.REGRESSION: "worse",
    Change.IMPROVED: "better",
    Change.EQUIVALENT: "the same",
    Change.NOT_WORSE: "not worse",
    Change.INCONCLUSIVE: "inconclusive",
}


def comparison_text(comparison: RunComparison) -> str:
    """A table of the points that both runs have, and what follows in one line."""
    lines = [_table(comparison)]
    for count, which in ((comparison.only_before, "BEFORE"), (comparison.only_after, "AFTER")):
        if count:
            lines.append(f"{units.several(count, 'point')} {'is' if count == 1 else 'are'} in {which} only")
    counts = [
        f"{number} {CHANGE_WORDS[change]}"
        for change in Change
        if (number := sum(point.change is change for point in comparison.points))
    ]
    if comparison.within_drift:
        points = f"{comparison.within_drift} point{'s differ' if comparison.within_drift > 1 else ' differs'}"
        lines.append(
            f"{points} by more than the runs scatter, but no more than a machine may drift by between two times "
            f"({percent(comparison.drift)}, --drift). Measure both in turn to tell: "
            "compare --a \u2026 --b \u2026"
        )
    lines += comparison.other_service
    lines.append(f"{comparison.change}: {', '.join(counts)}")
    return "\n".join(lines)


def paired_lines(plan: Plan, comparison: PairedComparison) -> list[str]:
    """A table of the figures of two variants, load level by load level: second / first."""
    rows = [(plan.points[level.points[0]], each) for level in comparison.levels for each in level.figures]
    if not rows or plan.pairing is None:
        return []
    first, second = (variant.name for variant in plan.pairing.variants)
    columns: dict[str, Callable[[tuple[Point, PairedFigure]], str]] = {
        "load": lambda row: level_text(row[0]),
        "figure": lambda row: row[1].name,
        f"{second} / {first}": lambda row: points_text(row[1].ratio) if row[1].name == FAILED else _times(row[1].ratio),
        "pairs": lambda row: str(row[1].pairs),
        "change": lambda row: CHANGE_WORDS[row[1].change],
    }
    table = Terminal(None).table(
        {title: [read(row) for row in rows] for title, read in columns.items()},
        [row[1].change for row in rows],
        text={"load", "figure"},
        best=None,
    )
    return [table]


def comparison_json(comparison: RunComparison) -> dict[str, Any]:
    """The same for a machine: ratios after / before with their 95 % intervals; null where there is none."""
    points = [
        {
            "setting": point.after.setting,
            "load": load_label(point.after),
            "change": point.change,
            "throughput_rps": _ratio_json(point.throughput_rps),
            "p99_ms": _ratio_json(point.p99_ms),
            **{name: _ratio_json(each) for name, each in point.streams.items()},
        }
        for point in comparison.points
    ]
    return {
        "change": comparison.change,
        "drift": comparison.drift,
        "points_within_drift": comparison.within_drift,
        "other_service": comparison.other_service,
        "points": points,
    }


def _ratio_json(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    ratio = comparison.ratio
    return {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "change": comparison.change}


def _table(comparison: RunComparison) -> str:
    points = comparison.points
    columns: dict[str, Callable[[PointComparison], str]] = {
        "point": lambda point: point_label(point.after),
        points[0].after.rate_unit if points else "req/s": lambda point: units.number(point.before.rate.value),
        "now": lambda point: units.number(point.after.rate.value),
        "throughput": lambda point: _ratio(point.throughput_rps),
        "p99 ms": lambda point: units.latency(point.before.response.at(0.99))[0],
        "now ms": lambda point: units.latency(point.after.response.at(0.99))[0],
        "p99": lambda point: _ratio(point.p99_ms),
        **{name: _of_streams(name) for name in STREAM_FIGURES if any(name in point.streams for point in points)},
        "change": lambda point: CHANGE_WORDS[point.change],
    }
    return Terminal(None).table(
        {title: [read(point) for point in points] for title, read in columns.items()},
        [point.change for point in points],
        text={"point"},
        best=None,
    )


def _of_streams(name: str) -> Callable[[PointComparison], str]:
    return lambda point: _ratio(point.streams.get(name))


def _ratio(comparison: Comparison | None) -> str:
    return units.number(None) if comparison is None else _times(comparison.ratio)


def _times(ratio: Interval) -> str:
    value, spread = units.estimate(ratio)
    return f"\u00d7{value} ({spread})" if spread else f"\u00d7{value}"
