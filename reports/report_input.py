"""What every report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.judge.metrics import RunResult
    from harness.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """A finished (or interrupted) run: what was planned, what came out, and where it ran."""

    plan: Plan
    result: RunResult
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # value by name, by section
    command_line: str = ""
    started_at: str = ""  # ISO 8601
    isolation: str = ""  # one sentence: which cores target and load had
    gated: bool = False  # the user gave --slo: missing it is a failure
