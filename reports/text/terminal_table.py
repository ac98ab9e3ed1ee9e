"""A table of points for a terminal or a log."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from reports.labels import printable
from reports.units import AT_LEAST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from harness.judge.findings import Verdict
    from harness.judge.significance import Change

_STYLES = {"VALID": "green", "DEGRADED": "yellow", "INVALID": "red"}
_STYLES |= {"IMPROVED": "green", "EQUIVALENT": "", "NOT WORSE": "", "INCONCLUSIVE": "yellow", "REGRESSION": "red"}
_PLAIN_WIDTH = 160
_NARROW = 100
_BETWEEN = 3  # characters between two columns
_LEAST_WIDTH, _MOST_UNBROKEN = 8, 20  # of a column of text: words up to that length are not broken


class Terminal:
    """Coloured, and as wide as the terminal, where there is one. `terminal` None: standard output decides."""

    def __init__(self, terminal: bool | None) -> None:
        from rich.console import Console

        shown = sys.stdout is not None and sys.stdout.isatty()  # None: nothing is printed, as within `gate`
        fancy = shown if terminal is None else terminal
        self._file = io.StringIO()
        width = None if fancy else _PLAIN_WIDTH
        self._console = Console(file=self._file, force_terminal=fancy, no_color=not fancy, width=width, highlight=False)

    @property
    def narrow(self) -> bool:
        """Whether a table should leave out the columns that are not essential."""
        return self._console.width < _NARROW

    def table(
        self,
        columns: Mapping[str, Sequence[str]],
        verdicts: Sequence[Verdict] | Sequence[Change],
        *,
        text: Collection[str],
        best: int | None,
    ) -> str:
        """A row per verdict, which colours the last column; `text` columns are read from the left.

        `best` is the index of the row to stress. Where the terminal is too narrow, each row is a list of its cells.
        """
        if _least_width(columns, text) > self._console.width:
            self._print_lists(columns, verdicts, best)
            return self._printed()
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title, column in columns.items():
            if title in text:
                table.add_column(title, overflow="fold", min_width=_unbroken(column))
            else:
                table.add_column(title, justify="right", no_wrap=True)
        for number, verdict in enumerate(verdicts):
            texts = [printable(column[number]) for column in columns.values()]
            cells = [Text(text, style="dim" if text.startswith(AT_LEAST) else "") for text in texts]
            cells[-1].stylize(_STYLES[verdict])
            table.add_row(*cells, style="bold" if number == best else None)
        self._console.print(table)
        return self._printed()

    def _print_lists(
        self, columns: Mapping[str, Sequence[str]], verdicts: Sequence[Verdict] | Sequence[Change], best: int | None
    ) -> None:
        from rich.text import Text

        last = list(columns)[-1]
        for number, verdict in enumerate(verdicts):
            for title, column in columns.items():
                style = f"{_STYLES[verdict] if title == last else ''} {'bold' if number == best else ''}".strip()
                if text := printable(column[number]):
                    self._console.print(Text(f"{title}: {text}", style=style), soft_wrap=True)
            self._console.print()

    def _printed(self) -> str:
        return "\n".join(line.rstrip() for line in self._file.getvalue().splitlines())


def _unbroken(column: Sequence[str]) -> int:
    """The width at which no usual word of a column of text is broken."""
    longest = max((len(word) for cell in column for word in printable(cell).split()), default=0)
    return min(max(longest, _LEAST_WIDTH), _MOST_UNBROKEN)


def _least_width(columns: Mapping[str, Sequence[str]], text: Collection[str]) -> int:
    """The width of a table that cuts nothing."""
    widths = [
        max(len(title), _unbroken(column) if title in text else max(map(len, map(printable, column)), default=0))
        for title, column in columns.items()
    ]
    return sum(widths) + _BETWEEN * (len(widths) - 1) + 2
