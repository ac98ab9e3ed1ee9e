"""points.csv: one line per point, the file that other tools read."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING

from harness.errors import RunError
from reports.kinds import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.judge.findings import JudgedPoint
    from harness.plan.plan import Plan
    from harness.training.plan import TrainingPlan


def points_csv(points: Iterable[JudgedPoint], plan: Plan | TrainingPlan, *, header: bool = True) -> str:
    """A line for each of `points`; a number that is not known is empty."""
    columns = texts_of(plan).csv_columns
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([cell(point) for cell in columns.values()] for point in points)
    return text.getvalue()


def append_point(run_dir: Path, plan: Plan | TrainingPlan, point: JudgedPoint) -> None:
    """Add a point's line to `points.csv` as soon as it is known. Raises RunError where the disk refuses."""
    path = run_dir / "points.csv"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(points_csv([point], plan, header=file.tell() == 0))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = f"cannot write {path}: {error.strerror}; what was measured is kept: `harness report` makes it"
        raise RunError(text) from error
