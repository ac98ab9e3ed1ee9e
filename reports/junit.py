"""junit.xml: a test suite per run, a test case per point, for CI systems."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from reports.labels import finding_title, point_label, reasons
from reports.units import machine_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics
    from reports.report_input import ReportInput

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One point as a test case. `missed`: the limit that it missed, "" where it missed none."""

    name: str
    seconds: float
    verdict: Verdict
    reasons: Sequence[str]
    findings: Sequence[Finding]
    missed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A run as a test suite. `gate_missed`: the user gave a limit that no point met, which fails those that missed."""

    name: str
    started_at: str
    properties: Mapping[str, str]
    cases: Sequence[Case]
    missing: Sequence[str]
    gate_missed: bool


def junit_xml(report: ReportInput) -> str:
    """INVALID fails a case, DEGRADED notes its findings.

    A missed SLO fails the points that missed it where the run was gated and no point met it, as the exit code does:
    a sweep looks beyond its limit on purpose.
    """
    plan, result = report.plan, report.result
    properties = {
        "answer": result.recommendation.sentence,
        "verdict": result.verdict.value,
        "target": plan.target,
        "model": plan.model,
        "slo": str(plan.slo or ""),
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


def _case(point: PointMetrics, report: ReportInput) -> Case:
    return Case(
        name=point_label(point),
        seconds=point.seconds,
        verdict=point.verdict,
        reasons=reasons(point),
        findings=point.findings,
        missed=f"SLO: {report.plan.slo}" if point.meets_slo is False else "",
    )


def suite_xml(run: Suite) -> str:
    """A suite as JUnit's XML."""
    suite = ET.Element("testsuite", name=_clean(f"sweepspot {run.name}"))
    if run.started_at:
        suite.set("timestamp", _clean(run.started_at))
    properties = ET.SubElement(suite, "properties")
    for name, value in run.properties.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_clean(value))
    for case in run.cases:
        _add_case(suite, case, run)
    for name in run.missing:
        skipped = ET.SubElement(suite, "testcase", name=_clean(name), classname=_clean(run.name), time="0")
        ET.SubElement(skipped, "skipped", message="not measured")
    totals = {
        "tests": str(len(list(suite.iter("testcase")))),
        "failures": str(len(list(suite.iter("failure")))),
        "errors": "0",
        "skipped": str(len(list(suite.iter("skipped")))),
        "time": machine_number(sum(case.seconds for case in run.cases)),
    }
    for name, value in totals.items():
        suite.set(name, value)
    root = ET.Element("testsuites", {**totals, "name": "sweepspot"})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, case: Case, run: Suite) -> None:
    element = ET.SubElement(
        suite, "testcase", name=_clean(case.name), classname=_clean(run.name), time=machine_number(case.seconds)
    )
    findings = "\n".join(
        f"{finding.verdict} {finding_title(finding.kind)}: {finding.text} {finding.remedy}".strip()
        for finding in case.findings
    )
    if case.verdict is Verdict.INVALID:
        message = f"INVALID: {', '.join(case.reasons) or 'nothing was measured'}"
        failure = ET.SubElement(element, "failure", type="INVALID", message=_clean(message))
        failure.text = _clean(findings)
    elif run.gate_missed and case.missed:
        kind, _, _ = case.missed.partition(":")
        failure = ET.SubElement(element, "failure", type=kind, message=_clean(f"missed the {case.missed}"))
        failure.text = _clean(findings)
    elif case.verdict is Verdict.DEGRADED or case.missed:
        kind, _, limit = case.missed.partition(":")
        missed = f"{kind} missed:{limit}\n" if case.missed else ""
        ET.SubElement(element, "system-out").text = _clean(f"{case.verdict}\n{missed}{findings}")


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 forbids even as references."""
    return _NOT_XML.sub("\ufffd", text)
