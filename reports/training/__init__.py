"""Reports of training runs, in the same files as those of serving. Nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from reports.report_input import TrainingInput


def write_training_reports(run_dir: Path, report: TrainingInput) -> None:
    """Write `report.html`, `points.csv`, `summary.md` and `junit.xml` into `run_dir`, each whole or not at all.

    Raises RunError where the folder cannot be written to.
    """
    from harness.record.run_folder import write_whole
    from reports.training.junit import junit_xml
    from reports.training.page import page_html
    from reports.training.points import points_csv
    from reports.training.summary import summary_markdown

    # The cheap ones first: should the page fail, the figures are there.
    write_whole(run_dir / "points.csv", points_csv(report.result.points, report.plan).encode())
    write_whole(run_dir / "junit.xml", junit_xml(report).encode())
    write_whole(run_dir / "summary.md", summary_markdown(report).encode())
    write_whole(run_dir / "report.html", page_html(report).encode())
