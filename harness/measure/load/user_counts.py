"""How many users a load process has while it measures, and which exceptions their tasks raised."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path

MOST_TEXTS = 100


class UserCounts:
    """Counts of one trial."""

    def __init__(self) -> None:
        self.lowest: int | None = None  # None: nobody has looked during the measure phase
        self.highest: int | None = None
        self.starting = 0  # users who are in `on_start`: they do nothing of the load yet
        self._exceptions: Counter[str] = Counter()

    def see(self, count: int) -> None:
        """So many users are there now, in the measure phase, those who are starting included."""
        acting = count - self.starting
        self.lowest = acting if self.lowest is None else min(self.lowest, acting)
        self.highest = acting if self.highest is None else max(self.highest, acting)

    def raised(self, error: BaseException) -> None:
        """A user has raised `error`. Type and line are kept, not the text, which may hold what was sent."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        text = f"{type(error).__name__}{place}"
        self._exceptions[text if text in self._exceptions or len(self._exceptions) < MOST_TEXTS else "other"] += 1

    @property
    def exceptions(self) -> dict[str, int]:
        """Type and line of each kind of exception, and how often it was raised."""
        return dict(self._exceptions)
