"""junit.xml: a test suite per run, a test case per point, for CI systems."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from harness.judge.findings import Verdict
from reports.kinds import texts_of
from reports.labels import reasons
from reports.units import machine_number

if TYPE_CHECKING:
    from harness.judge.findings import JudgedPoint
    from reports.report_input import BaseReportInput
    from reports.text.run_texts import RunTexts

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: BaseReportInput) -> str:
    """INVALID fails a case, DEGRADED notes its findings.

    A missed limit fails the points that missed it where the run was gated and no point kept it, as the exit code does:
    a sweep looks beyond its limit on purpose.
    """
    plan, result, texts = report.plan, report.result, texts_of(report.plan)
    suite = ET.Element("testsuite", name=clean_xml(f"sweepspot {plan.name}"))
    if report.started_at:
        suite.set("timestamp", clean_xml(report.started_at))
    properties = ET.SubElement(suite, "properties")
    about = {"answer": result.recommendation.sentence, "verdict": result.verdict.value, **texts.properties}
    for name, value in {**about, "command": report.command_line}.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=clean_xml(value))
    for point in result.points:
        _add_case(suite, point, report, texts)
    for missing in result.missing:
        skipped = ET.SubElement(suite, "testcase", name=clean_xml(missing), classname=clean_xml(plan.name), time="0")
        ET.SubElement(skipped, "skipped", message="not measured")
    totals = {
        "tests": str(len(list(suite.iter("testcase")))),
        "failures": str(len(list(suite.iter("failure")))),
        "errors": "0",
        "skipped": str(len(list(suite.iter("skipped")))),
        "time": machine_number(sum(texts.seconds(point) for point in result.points)),
    }
    for name, value in totals.items():
        suite.set(name, value)
    root = ET.Element("testsuites", {**totals, "name": "sweepspot"})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, point: JudgedPoint, report: BaseReportInput, texts: RunTexts[Any]) -> None:
    case = ET.SubElement(suite, "testcase", name=clean_xml(texts.label(point)), classname=clean_xml(report.plan.name))
    case.set("time", machine_number(texts.seconds(point)))
    findings = "\n".join(
        f"{finding.verdict} {finding.title}: {finding.text} {finding.remedy}".strip() for finding in point.findings
    )
    limit_name, _, limit = texts.limit.partition(":")
    missed = texts.keeps_limit(point) is False
    if point.verdict is Verdict.INVALID:
        _fail(case, "INVALID", f"INVALID: {', '.join(reasons(point)) or 'nothing was measured'}", findings)
    elif report.gate_missed and missed:
        _fail(case, limit_name, f"missed the {texts.limit}", findings)
    elif point.verdict is Verdict.DEGRADED or missed:
        note = f"{limit_name} missed:{limit}\n" if missed else ""
        ET.SubElement(case, "system-out").text = clean_xml(f"{point.verdict}\n{note}{findings}")


def _fail(case: ET.Element, kind: str, message: str, findings: str) -> None:
    ET.SubElement(case, "failure", type=kind, message=clean_xml(message)).text = clean_xml(findings)


def clean_xml(text: str) -> str:
    """Without the characters that XML 1.0 forbids even as references."""
    return _NOT_XML.sub("\ufffd", text)
