"""Shares the counters of the replicas of one server: each writes them to a file, and each reads all files.

A scrape reaches the replica that the kernel chose. Files are written about once a second, so the counters of the other
replicas are at most that old. The last counters of a dead replica stay until it is started again.
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
    """The counters of all replicas; `index` is the number of this one, `directory` the shared folder."""

    directory: Path
    index: int

    def publish(self, snapshot: Snapshot) -> None:
        """Replace this replica's file atomically."""
        path = self.directory / f"{self.index}.json"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(snapshot))
        fresh.replace(path)

    def all(self, own: Snapshot) -> list[tuple[int, Snapshot]]:
        """(number, counters) of every replica, in order; `own` are the counters of this one."""
        found = {self.index: own}
        for path in self.directory.glob("*.json"):
            if int(path.stem) != self.index:
                found[int(path.stem)] = msgspec.json.decode(path.read_bytes(), type=Snapshot)
        return sorted(found.items())
