"""summary.md: the run on one page of Markdown, for the step summary of a CI service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.judge.findings import Verdict
from reports.kinds import texts_of
from reports.labels import printable, verdict_counts
from reports.report_input import ReportInput
from reports.views.capacities import capacity_columns
from reports.views.classes import class_columns
from reports.views.findings import groups_of
from reports.views.tuning import tuning_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.findings import JudgedPoint
    from reports.report_input import BaseReportInput
    from reports.text.run_texts import RunTexts
    from reports.views.findings import FindingGroup

MAX_POINTS = 100
MAX_MISSING = 20
_LONGEST_TEXT = 400
_NOTE = "\u2139\ufe0f"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What GitHub's Markdown reads as more than text: not `p99 < 50ms`, nor `batch_size`, whose `_` stands inside a word.
_DANGEROUS = re.compile(r"[\\`*\[\]|#~$@]|&(?=[#\w])|<(?=[a-zA-Z/!?])|^>|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])")
SIGNS = {"VALID": "\u2705", "DEGRADED": "\u26a0\ufe0f", "INVALID": "\u274c"}


def summary_markdown(report: BaseReportInput) -> str:
    """Recommendation, table of points, findings and how it was measured; under 100 KB whatever the run."""
    result, texts = report.result, texts_of(report.plan)
    method = ", ".join(plain(part) for part in texts.method)
    lines = [
        f"## {SIGNS[result.verdict]} {plain(result.recommendation.sentence)}",
        "",
        f"**{result.verdict}** ({verdict_counts(result.points)}). {method}.",
        "",
        *_missing_lines(result.missing),
        *_tuning(report),
        *_table(report, texts),
        *_small_tables(report),
        *_finding_lines(groups_of(result.points, texts.label)),
    ]
    if report.command_line:
        lines += [f"<sub>{plain(report.command_line)}</sub>", ""]
    return "\n".join(lines)


def _missing_lines(missing: Sequence[str]) -> Iterator[str]:
    """What the run directory lacks."""
    if missing:
        yield f"**Not complete**: {len(missing)} missing."
        yield ""
        yield from (f"- {plain(item)}" for item in missing[:MAX_MISSING])
        if len(missing) > MAX_MISSING:
            yield f"- and {len(missing) - MAX_MISSING} more"
        yield ""


def _tuning(report: BaseReportInput) -> Iterator[str]:
    """What a search found beside its points."""
    if isinstance(report, ReportInput) and report.result.tuning is not None:
        yield from (f"- {plain(line)}" for line in tuning_lines(report))
        yield ""


def _table(report: BaseReportInput, texts: RunTexts[Any]) -> Iterator[str]:
    points: Sequence[JudgedPoint] = report.result.points
    columns = texts.markdown_columns
    if not points:
        return
    yield f"| {' | '.join(('point', *columns, 'verdict'))} |"
    yield f"|---|{''.join('---|' if title in texts.text_columns else '--:|' for title in columns)}---|"
    for row, point in enumerate(points[:MAX_POINTS]):
        name = plain(texts.label(point))
        cells = [f"**{name}**" if row == report.best_row else name, *(cell(point) for cell in columns.values())]
        yield f"| {' | '.join([*cells, f'{SIGNS[point.verdict]} {point.verdict}'])} |"
    if len(points) > MAX_POINTS:
        yield ""
        yield f"{len(points) - MAX_POINTS} more points are in points.csv."
    yield ""


def _small_tables(report: BaseReportInput) -> Iterator[str]:
    """The capacity of each setting, and the figures of each request class at the point in the headline."""
    if not isinstance(report, ReportInput):
        return
    for columns in filter(None, (capacity_columns(report.result), class_columns(report.headline_point))):
        yield f"| {' | '.join(columns)} |"
        yield f"|---|{'--:|' * (len(columns) - 1)}"
        yield from (f"| {' | '.join(map(plain, cells))} |" for cells in zip(*columns.values(), strict=True))
        yield ""


def _finding_lines(groups: Sequence[FindingGroup]) -> Iterator[str]:
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
    return _DANGEROUS.sub(lambda sign: _ENTITIES.get(sign[0]) or f"&#{ord(sign[0])};", short)
