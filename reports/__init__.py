"""Reports: a finished run as pages and tables. Nothing is computed here; the numbers come from judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.report_input import BaseReportInput, ReportInput, TrainingInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ReportInput", "TrainingInput", "write_reports"]


def write_reports(run_dir: Path, report: BaseReportInput) -> None:
    """Write `report.html`, `points.csv`, `summary.md` and `junit.xml` into `run_dir`, each whole or not at all.

    A load that mixes request classes has `classes.csv` beside them. Raises RunError where the folder cannot be
    written to.
    """
    from harness.files import write_whole

    for name, text in _files(report):
        write_whole(run_dir / name, text.encode())


def _files(report: BaseReportInput) -> Iterator[tuple[str, str]]:
    """Names and contents. The cheap ones come first: should the page fail, the figures are there."""
    from reports.junit import junit_xml
    from reports.page import page_html
    from reports.points_csv import points_csv
    from reports.text.summary_md import summary_markdown
    from reports.training.page import training_page_html
    from reports.views.classes import classes_csv, servers_csv

    yield "points.csv", points_csv(report.result.points, report.plan)
    if isinstance(report, ReportInput) and any(len(point.classes) > 1 for point in report.result.points):
        yield "classes.csv", classes_csv(report.result.points, report.plan)
    if isinstance(report, ReportInput) and any(point.servers for point in report.result.points):
        yield "servers.csv", servers_csv(report.result.points, report.plan)
    yield "junit.xml", junit_xml(report)
    yield "summary.md", summary_markdown(report)
    if isinstance(report, ReportInput):
        yield "report.html", page_html(report)
    elif isinstance(report, TrainingInput):
        yield "report.html", training_page_html(report)
