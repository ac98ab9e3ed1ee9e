"""junit.xml: a test suite per run, a test case per point, for CI systems."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from harness.findings import Verdict
from reports.labels import finding_title, point_label, reasons
from reports.units import machine_number

if TYPE_CHECKING:
    from harness.metrics import PointMetrics
    from reports.report_input import ReportInput

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: ReportInput) -> str:
    """INVALID fails a case, DEGRADED notes its findings.

    A missed SLO fails the points that missed it where the run was gated and no point met it, as the exit code does:
    a sweep looks beyond its limit on purpose.
    """
    points = report.result.points
    gate_missed = report.gated and not any(point.meets_slo for point in points)
    suite = ET.Element("testsuite", name=_clean(f"sweepspot {report.plan.name}"))
    if report.started_at:
        suite.set("timestamp", _clean(report.started_at))
    _add_properties(suite, report)
    for point in points:
        _add_case(suite, point, report, gate_missed=gate_missed)
    for name in report.result.missing:
        case = ET.SubElement(suite, "testcase", name=_clean(name), classname=_clean(report.plan.name), time="0")
        ET.SubElement(case, "skipped", message="not measured")
    cases = list(suite.iter("testcase"))
    totals = {
        "tests": str(len(cases)),
        "failures": str(len(list(suite.iter("failure")))),
        "errors": "0",
        "skipped": str(len(list(suite.iter("skipped")))),
        "time": machine_number(sum(point.seconds for point in points)),
    }
    for name, value in totals.items():
        suite.set(name, value)
    root = ET.Element("testsuites", {**totals, "name": "sweepspot"})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_properties(suite: ET.Element, report: ReportInput) -> None:
    plan = report.plan
    known = {
        "answer": report.result.answer.sentence,
        "verdict": report.result.verdict.value,
        "target": plan.target,
        "model": plan.model,
        "slo": str(plan.slo or ""),
        "command": report.command_line,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in known.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_clean(value))


def _add_case(suite: ET.Element, point: PointMetrics, report: ReportInput, *, gate_missed: bool) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_clean(point_label(point)),
        classname=_clean(report.plan.name),
        time=machine_number(point.seconds),
    )
    findings = _findings_text(point)
    if point.verdict is Verdict.INVALID:
        message = f"INVALID: {', '.join(reasons(point)) or 'nothing was measured'}"
        failure = ET.SubElement(case, "failure", type="INVALID", message=_clean(message))
        failure.text = _clean(findings)
    elif gate_missed and point.meets_slo is False:
        failure = ET.SubElement(case, "failure", type="SLO", message=_clean(f"missed the SLO: {report.plan.slo}"))
        failure.text = _clean(findings)
    elif point.verdict is Verdict.DEGRADED or point.meets_slo is False:
        missed = f"SLO missed: {report.plan.slo}\n" if point.meets_slo is False else ""
        ET.SubElement(case, "system-out").text = _clean(f"{point.verdict}\n{missed}{findings}")


def _findings_text(point: PointMetrics) -> str:
    return "\n".join(
        f"{finding.verdict} {finding_title(finding.kind)}: {finding.text} {finding.remedy}".strip()
        for finding in point.findings
    )


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 forbids even as references."""
    return _NOT_XML.sub("\ufffd", text)
