"""Was there a steady state to measure?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checks.case import TrialCase
    from harness.findings import Finding


def unsteady(case: TrialCase) -> Finding | None:
    """Throughput or the median response drifted, or changed level."""
    del case
    return None
