"""Changes of level in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.history.history_file import HistoryEntry
    from harness.judge.history.trend import Trend


def trend_lines(found: Sequence[Trend]) -> Iterator[str]:
    """A line for each change of level, and one for each change of machine."""
    for trend in found:
        for change in trend.changes:
            before, after = trend.entries[change.before], trend.entries[change.before + 1]
            yield (
                f"{trend.label}: {trend.figure} \u00d7{figure(change.ratio, 3)} between {run_name(before)} and "
                f"{run_name(after)}"
            )
    seen = {
        (run_name(trend.entries[place]), trend.entries[place].machine_words)
        for trend in found
        for place in trend.machines
    }
    yield from (f"another machine from {name} on: {words}" for name, words in sorted(seen))


def run_name(entry: HistoryEntry) -> str:
    """The commit, or the time where that is not known."""
    return entry.commit[:12] if entry.commit else entry.made_at
