"""What the replicas of one server know of each other: each writes its counts to a file, any of them reads all.

Written about once a second, so that a scrape, which reaches whichever replica the kernel chose, sees the
others at most that late. A replica that is gone keeps its last counts until it is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from targets.servers.exposition import Snapshot

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReplicaCounts:
    """The replica number `index`, and the folder it shares with the others."""

    directory: Path
    index: int

    def publish(self, snapshot: Snapshot) -> None:
        """Replace this replica's file in one step."""
        path = self.directory / f"{self.index}.json"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(snapshot))
        fresh.replace(path)

    def all(self, own: Snapshot) -> list[tuple[int, Snapshot]]:
        """Every replica's counts, in order; `own` are this one's."""
        found = {self.index: own}
        for path in self.directory.glob("*.json"):
            if int(path.stem) != self.index:
                found[int(path.stem)] = msgspec.json.decode(path.read_bytes(), type=Snapshot)
        return sorted(found.items())
