"""Findings and verdicts: a finding is one doubt or insight with its figures; the worst finding is the verdict.

The checks that make findings are listed in `harness/judge/checks/__init__.py`; `judged` in `case.py` there makes the
verdict of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec


class Verdict(StrEnum):
    """VALID: believe it. DEGRADED: true, but read the findings. INVALID: not a measurement of the target."""

    VALID = "VALID"
    DEGRADED = "DEGRADED"
    INVALID = "INVALID"


class FindingKind(NamedTuple):
    """A kind of finding. It is defined beside the check that makes it, with its title for reports.

    lengthens: whatever caused it can only have made the response times of an open loop longer, never shorter.
    """

    name: str
    title: str
    lengthens: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: what was seen (`text`, one sentence with its figures) and what to change (`remedy`)."""

    kind: str  # name, title and lengthens are those of its FindingKind
    title: str
    verdict: Verdict  # the worst verdict this finding alone allows
    text: str
    remedy: str = ""
    data: dict[str, float] = {}
    lengthens: bool = False


class JudgedPoint(Protocol):
    """What the points of every kind of run have: a number, a verdict, and the findings behind it."""

    @property
    def point(self) -> int: ...  # noqa: D102

    @property
    def verdict(self) -> Verdict: ...  # noqa: D102

    @property
    def findings(self) -> tuple[Finding, ...]: ...  # noqa: D102
