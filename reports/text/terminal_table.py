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

        `best` is the index of the row to stress.
        """
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title, column in columns.items():
            if title in text:
                longest = max((len(word) for cell in column for word in printable(cell).split()), default=0)
                table.add_column(title, overflow="fold", min_width=min(max(longest, _LEAST_WIDTH), _MOST_UNBROKEN))
            else:
                table.add_column(title, justify="right", no_wrap=True)
        for number, verdict in enumerate(verdicts):
            texts = [printable(column[number]) for column in columns.values()]
            cells = [Text(text, style="dim" if text.startswith(AT_LEAST) else "") for text in texts]
            cells[-1].stylize(_STYLES[verdict])
            table.add_row(*cells, style="bold" if number == best else None)
        self._console.print(table)
        return "\n".join(line.rstrip() for line in self._file.getvalue().splitlines())
