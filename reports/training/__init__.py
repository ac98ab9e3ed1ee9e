"""Reports of training runs, in the same files as those of serving. Nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.training.metrics import TrainingResult
    from harness.training.plan import TrainingPlan

__all__ = ["TrainingInput", "write_training_reports"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInput:
    """A finished (or interrupted) training run: what was planned, what came out, and where it ran."""

    plan: TrainingPlan
    result: TrainingResult
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # value by name, by section
    command_line: str = ""
    started_at: str = ""  # ISO 8601
    gated: bool = False  # the user gave --target-accuracy: missing it is a failure


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
