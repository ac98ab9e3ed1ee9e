"""What counts as right, and what a calibration amounts to."""

import pytest

from harness.calibration.claims import FIGURES, compare
from harness.calibration.exercises import EXERCISES, chosen
from harness.calibration.result import OURS, Calibration, Exercised
from harness.errors import UserError


@pytest.mark.parametrize(
    ("figure", "true", "said", "right"),
    [
        ("rows", 1000, 1000, True),
        ("rows", 1000, 999, False),  # a lost row is a lie
        ("throughput_rps", 200, 203.9, True),
        ("throughput_rps", 200, 204.1, False),
        ("p99_ms", 100, 105.9, True),
        ("p99_ms", 100, 106.1, False),
        ("failed_share", 0.66, 0.641, True),
        ("failed_share", 0.66, 0.0, False),  # a hanging server with a clean bill
    ],
)
def test_a_figure_is_right_within_its_tolerance(figure, true, said, right):
    (claim,) = compare("x", OURS, (figure,), {figure: true}, {figure: said})
    assert claim.right is right
    assert FIGURES[figure].allows(true, said) is right


def test_errors_are_relative_but_for_shares_and_for_a_true_zero():
    claims = compare("x", "y", ("p50_ms", "failed_share", "rows"), {"p50_ms": 10, "failed_share": 0.5, "rows": 0},
                     {"p50_ms": 11, "failed_share": 0.25, "rows": 3})  # fmt: skip
    assert [claim.error for claim in claims] == pytest.approx([0.1, -0.25, 3])


def test_what_is_not_said_is_neither_right_nor_wrong_and_what_is_not_known_is_not_claimed():
    (claim,) = compare("x", "wrk", ("wrong_share", "max_ms"), {"wrong_share": 0.1, "max_ms": None}, {})
    assert (claim.said, claim.right, claim.error) == (None, None, None)


def calibration(*pairs, failure=None):
    claims = [
        claim for generator, said in pairs for claim in compare("x", generator, ("rows",), {"rows": 5}, {"rows": said})
    ]
    return Calibration(exercises=(Exercised(name="x", doc="", failure=failure),), claims=tuple(claims), envelope=None)


def test_a_calibration_is_right_if_we_said_everything_and_all_of_it_right():
    assert calibration((OURS, 5)).right
    assert calibration((OURS, 5), ("wrk", 4)).right
    assert not calibration((OURS, 4)).right
    assert not calibration((OURS, None)).right
    assert not calibration((OURS, 5), failure="it died").right


def test_a_quick_calibration_fits_the_faults_into_its_time():
    names = {exercise.name for exercise in EXERCISES}
    assert {exercise.name for exercise in chosen(quick=False)} == names
    quick = chosen(quick=True)
    assert {exercise.name for exercise in quick} < names
    for exercise in quick:
        for knob in ("stall_every_s", "hang_after_s"):
            assert float(exercise.setting.get(knob, 0)) < exercise.lasting(quick=True)
    assert [exercise.name for exercise in chosen(quick=True, only=("null", "hang-open"))] == ["hang-open", "null"]
    with pytest.raises(UserError, match="did you mean 'hang-open'"):
        chosen(quick=True, only=("hang-opn",))
