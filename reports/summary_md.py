"""summary.md: the run on one page of Markdown, for the step summary of a CI service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from reports import units
from reports.labels import point_label, printable, verdict_counts
from reports.views.findings import finding_groups
from reports.views.points_table import SLO_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan
    from reports.report_input import ReportInput
    from reports.views.findings import FindingGroup

MAX_POINTS = 100
MAX_MISSING = 20
_LONGEST_TEXT = 400
_NOTE = "\u2139\ufe0f"
SIGNS = {"VALID": "\u2705", "DEGRADED": "\u26a0\ufe0f", "INVALID": "\u274c"}


def summary_markdown(report: ReportInput) -> str:
    """Answer, table of points, findings and how it was measured; under 100 KB whatever the run."""
    result, plan = report.result, report.plan
    lines = [
        f"## {SIGNS[result.verdict]} {plain(result.recommendation.sentence)}",
        "",
        f"**{result.verdict}** ({verdict_counts(result.points)}). {', '.join(_plan_words(plan))}.",
        "",
        *missing_lines(report.result.missing),
        *_table(report),
        *finding_lines(finding_groups(report.result.points)),
    ]
    if report.command_line:
        lines += [f"<sub>{plain(report.command_line)}</sub>", ""]
    return "\n".join(lines)


def _plan_words(plan: Plan) -> Iterator[str]:
    yield f"Target {plain(plan.target)}"
    yield f"model {plain(plan.model)}"
    yield f"{units.duration(plan.seconds)} per trial"
    if plan.budget_seconds is not None:
        yield f"{len(plan.trials)} trials within a budget of {units.duration(plan.budget_seconds)}"
    else:
        most = "at most " if plan.precision is not None else ""
        yield f"{most}{plan.repeats} repeat{'' if plan.repeats == 1 else 's'}"
    if plan.slo:
        yield f"objective {plain(str(plan.slo))}"


def missing_lines(missing: Sequence[str]) -> Iterator[str]:
    """What the run directory lacks."""
    if missing:
        yield f"**Not complete**: {len(missing)} missing."
        yield ""
        yield from (f"- {plain(item)}" for item in missing[:MAX_MISSING])
        if len(missing) > MAX_MISSING:
            yield f"- and {len(missing) - MAX_MISSING} more"
        yield ""


def _table(report: ReportInput) -> Iterator[str]:
    points = report.result.points
    if not points:
        return
    yield "| point | req/s | p50 ms | p99 ms | service p99 ms | batch | failed | SLO | verdict |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|---|"
    for point in points[:MAX_POINTS]:
        yield f"| {' | '.join(_cells(point, report))} |"
    if len(points) > MAX_POINTS:
        yield ""
        yield f"{len(points) - MAX_POINTS} more points are in points.csv."
    yield ""


def _cells(point: PointMetrics, report: ReportInput) -> Iterator[str]:
    name = plain(point_label(point))
    yield f"**{name}**" if point.point == report.result.recommendation.best_point else name
    for value, interval in (
        units.estimate(point.throughput_rps),
        units.milliseconds(point.response.at(0.5)),
        units.milliseconds(point.response.at(0.99)),
    ):
        yield f"{value} ({interval})" if interval else value
    yield units.milliseconds(point.service.at(0.99))[0]
    yield units.number(point.mean_batch)
    yield units.count(point.counts.failed)
    yield SLO_WORDS[point.meets_slo] if report.plan.slo else units.ABSENT
    yield f"{SIGNS[point.verdict]} {point.verdict}"


def finding_lines(groups: Sequence[FindingGroup]) -> Iterator[str]:
    """The findings, a line per kind."""
    if groups:
        yield "### Findings"
        yield ""
    for group in groups:
        text = " ".join(plain(sentence) for sentence in (group.text, group.remedy) if sentence)
        sign = SIGNS[group.verdict] if group.verdict != Verdict.VALID else _NOTE
        yield f"- {sign} **{group.title}** ({plain(group.where)}): {text}"
    yield ""


def plain(text: str) -> str:
    """One line of plain text: nothing in it is read as Markdown or HTML."""
    words = printable(text).strip()
    short = words if len(words) <= _LONGEST_TEXT else f"{words[:_LONGEST_TEXT]}\u2026"
    escaped = short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$@])", lambda sign: f"&#{ord(sign[1])};", escaped)
