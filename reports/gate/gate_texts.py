"""The answer of a gate for a terminal, for the summary of a CI job, and as JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from harness.judge.gate.gate_sentence import answer_words, figure_words
from harness.judge.significance import Change
from reports import units
from reports.junit import clean_xml
from reports.text.summary_md import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.gate.gate_result import GatePoint, GateResult

SIGNS = {"worse": "\u274c", "cannot be said": "\u26a0\ufe0f", "not worse": "\u2705"}


def gate_text(result: GateResult) -> str:
    """The answer, and a line for each point."""
    lines = [result.sentence]
    lines += [f"  {point.label}: {answer_words(point.change)} ({_figures(point)})" for point in result.points]
    return "\n".join([*lines, *result.reasons, *([result.slo] if result.slo else [])])


def gate_markdown(result: GateResult) -> str:
    """The answer and a table of all figures."""
    return "\n".join(_markdown(result))


def _markdown(result: GateResult) -> Iterator[str]:
    yield f"## {SIGNS[answer_words(result.change)]} {plain(result.sentence)}"
    yield ""
    yield f"{plain(result.before)} against {plain(result.after)}; " + (
        "measured in turn." if result.interleaved else "measured at two times."
    )
    yield ""
    if result.slo:
        yield f"\u274c {plain(result.slo)}"
        yield ""
    yield "| point | figure | before | after | after / before | answer |"
    yield "|---|---|--:|--:|--:|---|"
    for point in result.points:
        for each in point.figures:
            values = [units.number(value.value, 4) if value else "" for value in (each.before, each.after)]
            ratio = figure_words(each).removeprefix(f"{each.name} ")
            cells = (plain(point.label), each.name, *values, plain(ratio), _answer(each.change))
            yield f"| {' | '.join(cells)} |"
        if point.why:
            yield f"| {plain(point.label)} | | | | | {plain(point.why)} |"
    yield ""
    yield from (f"- {plain(reason)}" for reason in result.reasons)


def gate_junit(result: GateResult) -> str:
    """A test case for each point: worse or a missed limit fails it, an open answer skips it."""
    suite = ET.Element("testsuite", name="sweepspot gate")
    for point in result.points:
        case = ET.SubElement(suite, "testcase", name=clean_xml(point.label), classname="gate", time="0")
        if point.change is Change.REGRESSION:
            _fail(case, "worse", f"{_figures(point)}, against {result.before}")
        if point.misses_slo and result.slo:
            _fail(case, "limit", result.slo)
        elif point.change is Change.INCONCLUSIVE:
            ET.SubElement(case, "skipped", message=clean_xml(f"cannot be said: {point.why or _figures(point)}"))
    counts = {"failures": len(list(suite.iter("failure"))), "skipped": len(list(suite.iter("skipped")))}
    for name, value in {"tests": len(result.points), "errors": 0, **counts}.items():
        suite.set(name, str(value))
    root = ET.Element("testsuites", {**suite.attrib, "name": "sweepspot"})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _fail(case: ET.Element, kind: str, message: str) -> None:
    ET.SubElement(case, "failure", type=kind, message=clean_xml(message))


def _answer(change: Change) -> str:
    return "better" if change is Change.IMPROVED else answer_words(change)


def _figures(point: GatePoint) -> str:
    return ", ".join(filter(None, (*map(figure_words, point.figures), point.why)))
