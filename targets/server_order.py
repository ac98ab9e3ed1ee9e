"""The description of the server to build."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan.knobs import Setting
    from targets.certificate import Certificate
    from targets.servers.replica_counts import ReplicaCounts


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """The target, its model and its knobs, and how clients reach it. `setting` is complete."""

    target: str
    model: str
    setting: Setting
    front_ends: Mapping[str, str] = field(default_factory=dict)  # the reserved host:port of each further front end
    replica_counts: ReplicaCounts | None = None  # of a replica
    certificate: Certificate | None = None  # None: without TLS
    token: str = field(default="", repr=False)  # the bearer token that clients must send; empty: none
