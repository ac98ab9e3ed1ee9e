"""Reports: a finished run as pages and tables. Nothing is computed here; numbers come from `harness.judge.metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.report_input import BaseReportInput, ReportInput, TrainingInput

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ReportInput", "TrainingInput", "write_reports"]


def write_reports(run_dir: Path, report: BaseReportInput) -> None:
    """Write `report.html`, `points.csv`, `summary.md` and `junit.xml` into `run_dir`, each whole or not at all.

    A load that mixes request classes has `classes.csv` beside them.

    Raises RunError where the folder cannot be written to.
    """
    if isinstance(report, TrainingInput):
        from reports.training import write_training_reports

        write_training_reports(run_dir, report)
    elif isinstance(report, ReportInput):
        _write_serving_reports(run_dir, report)


def _write_serving_reports(run_dir: Path, report_input: ReportInput) -> None:
    from harness.record.run_folder import write_whole
    from reports.junit import junit_xml
    from reports.page import page_html
    from reports.points_csv import points_csv
    from reports.summary_md import summary_markdown
    from reports.views.classes import classes_csv

    # The cheap ones first: should the page fail, the figures are there.
    write_whole(run_dir / "points.csv", points_csv(report_input.result.points, report_input.plan).encode())
    if any(len(point.classes) > 1 for point in report_input.result.points):
        write_whole(run_dir / "classes.csv", classes_csv(report_input.result.points, report_input.plan).encode())
    write_whole(run_dir / "junit.xml", junit_xml(report_input).encode())
    write_whole(run_dir / "summary.md", summary_markdown(report_input).encode())
    write_whole(run_dir / "report.html", page_html(report_input).encode())
