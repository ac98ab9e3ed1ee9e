"""Two runs compared, as text for a terminal or a log, and as JSON."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from harness.compare import Change
from reports import units
from reports.labels import load_label, printable, setting_label

if TYPE_CHECKING:
    from harness.compare import Comparison
    from harness.run_comparison import PointComparison, RunComparison

_STYLES = {Change.REGRESSION: "red", Change.IMPROVED: "green", Change.EQUIVALENT: "", Change.INCONCLUSIVE: "yellow"}
_WORDS = {
    Change.REGRESSION: "worse",
    Change.IMPROVED: "better",
    Change.EQUIVALENT: "the same",
    Change.INCONCLUSIVE: "cannot be said",
}
_PLAIN_WIDTH = 160


def comparison_text(comparison: RunComparison) -> str:
    """A table of the points that both runs have, and what follows in one line."""
    lines = [_table(comparison)]
    for count, which in ((comparison.only_before, "BEFORE"), (comparison.only_after, "AFTER")):
        if count:
            lines.append(f"{count} points are in {which} only")
    counts = [
        f"{number} {_WORDS[change]}"
        for change in Change
        if (number := sum(point.change is change for point in comparison.points))
    ]
    lines.append(f"{comparison.change}: {', '.join(counts)}")
    return "\n".join(lines)


def comparison_json(comparison: RunComparison) -> dict[str, Any]:
    """The same for a machine: ratios after / before with their 95 % intervals; null where there is none."""
    points = [
        {
            "setting": point.after.setting,
            "load": load_label(point.after),
            "change": point.change,
            "throughput_rps": _ratio_json(point.throughput_rps),
            "p99_ms": _ratio_json(point.p99_ms),
        }
        for point in comparison.points
    ]
    return {"change": comparison.change, "points": points}


def _ratio_json(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    ratio = comparison.ratio
    return {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "change": comparison.change}


def _table(comparison: RunComparison) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    fancy = sys.stdout.isatty()
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=fancy, no_color=not fancy, width=None if fancy else _PLAIN_WIDTH, highlight=False
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("point", "req/s", "", "throughput", "p99 ms", "", "p99", ""):
        table.add_column(title, justify="left" if title == "point" else "right", no_wrap=title != "point")
    for point in comparison.points:
        style = _STYLES[point.change]
        table.add_row(*map(printable, _cells(point)), style=style or None)
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _cells(point: PointComparison) -> list[str]:
    before, after = point.before, point.after
    name = ", ".join(filter(None, (setting_label(after.setting), load_label(after))))
    return [
        name,
        units.number(before.throughput_rps.value),
        units.number(after.throughput_rps.value),
        _ratio(point.throughput_rps),
        units.milliseconds(before.response.at(0.99))[0],
        units.milliseconds(after.response.at(0.99))[0],
        _ratio(point.p99_ms),
        _WORDS[point.change],
    ]


def _ratio(comparison: Comparison | None) -> str:
    if comparison is None:
        return units.number(None)
    ratio = comparison.ratio
    spread = units.interval(ratio.low, ratio.high)
    return f"\u00d7{units.number(ratio.value)} ({spread})" if spread else f"\u00d7{units.number(ratio.value)}"
