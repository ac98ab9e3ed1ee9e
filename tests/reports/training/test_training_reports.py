"""Reports of training runs: what stands in them, and that nothing of a name gets out of hand."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import pytest
from fits_of import epochs_of, fits_of, plan_of, with_

from harness.training.training_summary import summarise_training
from reports import TrainingInput, write_reports
from reports.junit import junit_xml
from reports.points_csv import append_point, points_csv
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import plan_text, result_text
from reports.training.gallery import gallery
from reports.training.page import training_page_html as page_html

pytestmark = pytest.mark.slow  # whole pages are drawn, with all of their charts


def report_of(*words, seeds=3, gated=False, target_accuracy=0.9):
    """Point 2 (learning_rate=0.1) diverges; the others end at 60 % and 90 %."""
    plan = plan_of(*words, seeds=seeds, target_accuracy=target_accuracy)

    def results(point, seed):
        if point.number == 2:
            first, second = epochs_of([0.5, 0.1])
            return (first, with_(second, train_loss=float("nan"))), None
        accuracy = 0.6 + 0.3 * point.number + 0.001 * seed
        return epochs_of([0.3, 0.5, accuracy, accuracy]), accuracy

    return TrainingInput(plan=plan, result=summarise_training(plan, fits_of(plan, results)), gated=gated)


SWEEP = report_of("learning_rate")


def test_all_files_are_written_and_the_same_again(tmp_path):
    write_reports(tmp_path, SWEEP)
    names = ("points.csv", "junit.xml", "summary.md", "report.html")
    before = [(tmp_path / name).read_bytes() for name in names]
    write_reports(tmp_path, SWEEP)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_points_csv_has_a_line_per_point_and_leaves_absent_numbers_empty():
    rows = list(csv.DictReader(io.StringIO(points_csv(SWEEP.result.points, SWEEP.plan))))
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.01", "0.1"]
    assert rows[1]["test_accuracy"] == "0.902"
    assert float(rows[1]["test_accuracy_lo"]) < 0.902 < float(rows[1]["test_accuracy_hi"])
    assert (rows[1]["seeds"], rows[1]["epochs"], rows[1]["seconds"]) == ("3", "4", "4")
    assert (rows[1]["seconds_to_target"], rows[1]["reached_target"]) == ("3", "3")
    assert (rows[2]["test_accuracy"], rows[2]["verdict"], rows[2]["reasons"]) == ("", "INVALID", "diverged")


def test_points_appended_one_by_one_are_the_same_file(tmp_path):
    for point in SWEEP.result.points:
        append_point(tmp_path, SWEEP.plan, point)
    assert (tmp_path / "points.csv").read_text() == points_csv(SWEEP.result.points, SWEEP.plan)


def test_a_swept_knob_that_is_a_column_already_gets_no_second_one():
    assert points_csv([], plan_of("epochs")).strip().split(",").count("epochs") == 1


def test_the_page_has_curves_for_every_value_and_figures_for_those_that_learned():
    charts = gallery(SWEEP)
    assert [colour.name for colour in charts.colours] == ["0.001", "0.01", "0.1"]
    assert [drawing.title for drawing in charts.curves] == [
        "Validation accuracy over epochs",
        "Training accuracy over epochs",
        "Validation loss over epochs",
        "Training loss over epochs",
    ]
    assert [drawing.title for drawing in charts.values][:2] == ["Test accuracy", "Generalisation gap"]
    page = page_html(SWEEP)
    assert SWEEP.result.recommendation.sentence in page
    assert "Training diverged" in page


def test_one_setting_has_both_sides_of_the_split_in_one_chart():
    charts = gallery(report_of(seeds=1))
    assert [colour.name for colour in charts.colours] == ["training examples", "validation examples"]
    assert [drawing.title for drawing in charts.curves] == ["Accuracy over epochs", "Loss over epochs"]
    assert charts.values == ()


def test_words_are_a_place_on_the_axis_too():
    charts = gallery(report_of("optimizer"))
    assert charts.values[0].title == "Test accuracy"
    assert "sgd" in charts.values[0].svg


def test_ids_of_charts_are_unique_on_the_page():
    found = re.findall(r'\bid="([^"]+)"', page_html(SWEEP))
    assert len(found) == len(set(found))


def test_nothing_but_the_pages_own_script_runs():
    page = page_html(SWEEP)
    assert page.count("<script") == 1
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")


@pytest.mark.parametrize("write", [page_html, summary_markdown])
def test_what_a_name_holds_is_text(write):
    plan = with_(SWEEP.plan, model="<img src=x onerror=alert(1)>")
    hostile = TrainingInput(plan=plan, result=SWEEP.result, command_line="<script>alert(2)</script>")
    assert "<img" not in write(hostile)
    assert "<script>alert" not in write(hostile)


def test_junit_fails_what_diverged_and_notes_nothing_else():
    root = ET.fromstring(junit_xml(SWEEP))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases["learning_rate=0.1"] == ["failure"]
    assert cases["learning_rate=0.01"] == []
    assert cases["learning_rate=0.001"] == ["system-out"]  # it missed the target, which another point met


def test_junit_fails_a_missed_target_where_it_was_asked_for():
    root = ET.fromstring(junit_xml(report_of("learning_rate", gated=True, target_accuracy=0.99)))
    messages = {case.get("name"): case.find("failure").get("message") for case in root.iter("testcase")}
    assert messages["learning_rate=0.01"] == "missed the target accuracy: 0.99"


def test_the_terminal_shows_table_verdict_and_answer():
    text = result_text(SWEEP, terminal=False)
    assert "90.2" in text
    assert "test loss 0.2, test accuracy 90.2 %" in text
    assert text.splitlines()[-1] == SWEEP.result.recommendation.sentence


def test_a_plan_in_words_names_every_fit():
    text = plan_text(plan_of("learning_rate", "dropout=0.2", seeds=2))
    assert "3 points x 2 seeds = 6 fits, 24 epochs in all" in text
    assert "set: dropout=0.2" in text
    assert len(re.findall(r"seed=[12]$", text, re.MULTILINE)) == 6


def test_a_run_of_nothing_says_so():
    plan = plan_of("learning_rate")
    empty = TrainingInput(plan=plan, result=summarise_training(plan, []))
    assert "nothing was trained" in page_html(empty)
    assert len(empty.result.missing) == 9
