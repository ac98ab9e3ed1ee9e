import dataclasses
import xml.etree.ElementTree as ET

import example_runs as example
import msgspec

from harness.judge.findings import Verdict
from reports.junit import junit_xml


def suite_of(report):
    (suite,) = ET.fromstring(junit_xml(report))
    assert suite.tag == "testsuite"
    return suite


def with_points(report, **changes):
    points = tuple(msgspec.structs.replace(point, **changes) for point in report.result.points)
    return dataclasses.replace(report, result=msgspec.structs.replace(report.result, points=points))


def test_a_case_per_point_and_a_note_for_the_degraded_ones():
    suite = suite_of(example.sweep())
    assert suite.attrib["tests"] == "16"
    assert suite.attrib["failures"] == "0"
    cases = suite.findall("testcase")
    assert [case.attrib["name"] for case in cases][:2] == ["batch_size=1, 1 user", "batch_size=1, 8 users"]
    assert "p99.9 cannot be given" in cases[0].find("system-out").text
    assert cases[1].find("system-out") is None


def test_invalid_points_fail_and_what_was_not_measured_is_skipped():
    suite = suite_of(example.ugly())
    failures = suite.findall("testcase/failure")
    assert [failure.attrib["type"] for failure in failures] == ["INVALID"] * 3
    assert failures[0].attrib["message"] == "INVALID: generator_cpu, too_few_samples"
    assert "The target died" in failures[1].text
    assert example.NASTY in failures[1].text  # escaped in the file, whole after parsing
    assert suite.attrib["skipped"] == "2"
    assert len(suite.findall("testcase/skipped")) == 2
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) == 5


def test_a_missed_slo_fails_only_a_gated_run_in_which_no_point_met_it():
    some = example.sweep()
    none = with_points(some, meets_slo=False)
    assert suite_of(dataclasses.replace(some, gated=True)).attrib["failures"] == "0"
    assert suite_of(none).attrib["failures"] == "0"
    assert "SLO missed: p99 \u2264 50 ms" in suite_of(none).find("testcase/system-out").text
    gated = suite_of(dataclasses.replace(none, gated=True))
    assert gated.attrib["failures"] == "16"
    assert gated.find("testcase/failure").attrib["type"] == "SLO"


def test_an_invalid_point_without_findings_says_why_it_fails():
    report = with_points(example.one_point(), verdict=Verdict.INVALID, findings=())
    assert suite_of(report).find("testcase/failure").attrib["message"] == "INVALID: nothing was measured"


def test_an_empty_run_is_a_file_that_parses():
    assert suite_of(example.nothing()).attrib["tests"] == "16"
