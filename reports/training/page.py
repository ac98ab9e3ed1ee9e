"""report.html of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.rendering import render
from reports.training.gallery import gallery
from reports.training.tables import fits_table, points_table, resources_table
from reports.training.texts import label
from reports.training.view import page
from reports.views.findings import groups_of
from reports.views.usage import gpu_words

if TYPE_CHECKING:
    from reports.report_input import TrainingInput

MAX_FITS = 300  # rows; more are left to the run directory


def training_page_html(report: TrainingInput) -> str:
    """The whole page; the same bytes for the same input."""
    points = report.result.points
    return render(
        "training.html.j2",
        page=page(report),
        gallery=gallery(report),
        points=points_table(report),
        fits=fits_table(report, MAX_FITS),
        fits_left_out=sum(len(point.fits) for point in points) - MAX_FITS,
        resources=resources_table(points),
        gpu=gpu_words([point.usage for point in points], report.environment),
        findings=groups_of(points, label),
        environment=report.environment,
        command_line=report.command_line,
    )
