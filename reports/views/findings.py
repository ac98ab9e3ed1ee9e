"""Findings grouped by kind, so that one shared by many points is shown once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from reports.labels import SEVERITY, point_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.judge.findings import Finding, JudgedPoint
    from harness.judge.metrics import PointMetrics

_Point = TypeVar("_Point", bound="JudgedPoint")


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """One kind of finding over all the points that have it."""

    title: str
    verdict: str  # the worst of them
    where: str  # `3 of 16 points`
    text: str  # of the worst one
    remedy: str  # of the worst one
    details: tuple[
        tuple[str, str, str, int], ...
    ]  # point, verdict, text, number of the point; empty: `text` says it all


def finding_groups(points: Sequence[PointMetrics]) -> list[FindingGroup]:
    """The findings of all points, the worst kind first."""
    return groups_of(points, point_label)


def groups_of(points: Sequence[_Point], label: Callable[[_Point], str]) -> list[FindingGroup]:
    """The same of points of any kind, which `label` names."""
    by_kind: dict[str, list[tuple[_Point, Finding]]] = defaultdict(list)
    for point in points:
        for finding in point.findings:
            by_kind[finding.kind].append((point, finding))
    groups = [_group(members, len(points), label) for members in by_kind.values()]
    return [group for _, group in sorted(groups, key=lambda pair: pair[0])]


def _group(
    members: list[tuple[_Point, Finding]], total: int, label: Callable[[_Point], str]
) -> tuple[int, FindingGroup]:
    _, worst = min(members, key=lambda member: SEVERITY[member[1].verdict])
    texts = {finding.text for _, finding in members}
    affected = len({point.point for point, _ in members})
    where = "every point" if affected == total > 1 else f"{affected} of {total} point{'' if total == 1 else 's'}"
    details = [(label(point), finding.verdict.value, _told(finding, worst), point.point) for point, finding in members]
    if affected == 1 < total:
        where, details = details[0][0], []
    elif len(texts) == 1 and affected == total:
        details = []
    title, verdict = worst.title, worst.verdict.value
    group = FindingGroup(title, verdict, where, worst.text, worst.remedy, tuple(details))
    return SEVERITY[worst.verdict], group


def _told(finding: Finding, worst: Finding) -> str:
    """The text, and the remedy where it is not the one that stands above."""
    return finding.text if finding.remedy == worst.remedy else f"{finding.text} {finding.remedy}".strip()
