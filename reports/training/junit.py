"""junit.xml of a training run: a test case per point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.junit import Case, Suite, suite_xml
from reports.labels import reasons
from reports.training.words import label

if TYPE_CHECKING:
    from harness.training.metrics import TrainingPointMetrics
    from reports.report_input import TrainingInput


def junit_xml(report: TrainingInput) -> str:
    """INVALID fails a case, DEGRADED notes its findings; a missed target as a missed SLO does in serving."""
    plan, result = report.plan, report.result
    properties = {
        "answer": result.answer.sentence,
        "verdict": result.verdict.value,
        "trainer": plan.trainer,
        "model": plan.model,
        "target accuracy": f"{plan.target_accuracy:g}",
        "command": report.command_line,
    }
    return suite_xml(
        Suite(
            name=plan.name,
            started_at=report.started_at,
            properties=properties,
            cases=[_case(point, report) for point in result.points],
            missing=result.missing,
            gate_missed=report.gate_missed,
        )
    )


def _case(point: TrainingPointMetrics, report: TrainingInput) -> Case:
    return Case(
        name=label(point),
        seconds=point.seconds.value if point.seconds else 0.0,
        verdict=point.verdict,
        reasons=reasons(point),
        findings=point.findings,
        missed=f"target accuracy: {report.plan.target_accuracy:g}" if point.meets_target is False else "",
    )
