"""An option of the load on a command line: its flag, the field that it fills, and the parser of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class LoadOption(NamedTuple):
    """One option: its flag, the field that it fills, and the parser of its text."""

    flag: str
    field: str
    parse: Callable[[str, str], Any]  # text and flag to value; raises UserError
    doc: str
    metavar: str = "TEXT"

    @property
    def name(self) -> str:
        """The flag as an identifier: `connect_timeout`."""
        return self.flag.removeprefix("--").replace("-", "_")
