"""A calibration as people read it."""

from harness.calibration.claims import compare
from harness.calibration.result import OURS, Calibration, Exercised
from harness.judge.findings import Verdict
from harness.record.machine.envelope import Envelope, Lateness
from reports.calibration import calibration_markdown, calibration_text

TRUE = {"rows": 1200.0, "p99_ms": 981.0, "failed_share": 0.667}
FIGURES = tuple(TRUE)
HANG = Exercised(name="hang-open", doc="hangs", verdict=Verdict.INVALID, reasons=("errors",))
NULL = Exercised(name="null", doc="answers at once")
ENVELOPE = Envelope(
    fingerprint="f", measured_at="", greatest_rps=21_300, floor_ms=0.21,
    lateness=(Lateness(rate_rps=1000, p50_ms=0.02, p99_ms=0.31),),
)  # fmt: skip


def example(ours):
    claims = compare("hang-open", OURS, FIGURES, TRUE, ours)
    claims += compare("hang-open", "wrk", FIGURES, TRUE | {"rows": 800.0}, {"rows": 792.0, "failed_share": 0.0})
    return Calibration(exercises=(HANG, NULL), claims=tuple(claims), envelope=ENVELOPE, peers=("wrk",))


def test_every_figure_has_a_line_with_its_truth_and_its_error():
    text = calibration_text(example({"rows": 1200.0, "p99_ms": 990.8, "failed_share": 0.66}), terminal=False)
    assert "1 200 (exact) \u2713" in text.replace("\u202f", " ")
    assert "991 ms (+1 %) \u2713" in text
    assert "66 % (\u22120.7 points) \u2713" in text
    assert "792 of 800 \u2717" in text
    assert "0 % (\u221267 points) \u2717" in text
    assert "not reported" in text
    assert "hang-open INVALID (errors)" in text
    assert "at most 21 300 requests/s" in text.replace("\u202f", " ")
    assert "0.02 / 0.31 ms at 1 000/s" in text.replace("\u202f", " ")
    assert text.endswith("RIGHT: all 3 figures.")


def test_a_wrong_figure_is_named():
    text = calibration_text(example({"rows": 1199.0, "p99_ms": 981.0, "failed_share": 0.667}), terminal=False)
    assert text.endswith("WRONG: hang-open requests.")


def test_markdown_is_a_table_whose_cells_stay_in_their_columns():
    lines = calibration_markdown(example({"rows": 1200.0, "p99_ms": 981.0, "failed_share": 0.667})).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(FIGURES)
    assert {line.count("|") for line in table} == {6}
