"""The high end of a published figure, where others on the host slowed the memory during its fresh trials."""

import msgspec
import pytest
from answers_of import point_of

from harness.judge.checks.case import finding
from harness.judge.checks.machine import SLOW_MEMORY
from harness.judge.conclusions.fast_memory import fast_memory_sentence, with_fast_memory
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial, TrialKind

MEASURED = Interval(1000.0, 950.0, 1050.0)
LINE = {"slope": -2.0, "error": 0.0, "freedom": 8.0, "fastest_ns": 30.0, "cost": 0.3, "correlation": -1.0}


def published(accesses_ns, fresh=3, invalid=(), **line):
    """The figure of a point with these accesses in its trials, of which the last `fresh` confirm it.

    The trials with the numbers `invalid` do not count.
    """
    point = point_of(rates=[1000.0] * len(accesses_ns), number=0)
    trials = tuple(
        msgspec.structs.replace(
            each,
            trial=number,
            usage=msgspec.structs.replace(each.usage, memory_access_ns=ns),
            verdict=Verdict.INVALID if number in invalid else each.verdict,
        )
        for number, (each, ns) in enumerate(zip(point.trials, accesses_ns, strict=True))
    )
    found = () if line.get("slope") == 0.0 else (finding(SLOW_MEMORY, Verdict.VALID, "", "", **{**LINE, **line}),)
    kinds = [TrialKind.EXPLORE] * (len(accesses_ns) - fresh) + [TrialKind.CONFIRM] * fresh
    plan = Plan(
        target="batched",
        scenario="scenarios/predict.py",
        points=(Point(number=0, setting={}, arrivals=Closed(users=8)),),
        trials=tuple(Trial(number=n, point=0, repeat=n, seed=0, kind=kind) for n, kind in enumerate(kinds)),
        load=LoadSettings(measure_s=2.0),
    )
    return with_fast_memory(plan, msgspec.structs.replace(point, trials=trials, findings=found), MEASURED)


def test_the_high_end_is_moved_along_the_line_to_the_fastest_access():
    # By hand: 33 ns in place of 30 ns cost a factor of (33/30)^2 = 1.21; and 1.21 x 1050 = 1270.5.
    found = published([30.0, 31.0, 33.0, 33.0, 33.0])
    assert found.high == pytest.approx(1270.5)
    assert (found.value, found.low) == (1000.0, 950.0)
    assert [*fast_memory_sentence(found, MEASURED)] == ["The interval reaches to what it gives while they do not."]


def test_the_error_of_the_line_is_added():
    # By hand: Student's t of 8 degrees of freedom is 2.306; 2.306 x 0.5 x log 1.1 = 0.10989; with log 1.05 = 0.04879
    # that is 0.12024; 1.21 x exp(0.12024) = 1.36460.
    found = published([30.0, 31.0, 33.0, 33.0, 33.0], error=0.5)
    assert found.high == pytest.approx(1364.6, rel=1e-4)


@pytest.mark.parametrize(
    ("accesses_ns", "line"),
    [
        ([33.0, 33.0, 30.0, 30.0, 30.0], {}),  # memory was fast in all fresh trials
        ([30.0, 31.0, None, None, None], {}),  # it is not known how fast
        ([30.0, 31.0, 33.0, 33.0, 33.0], {"slope": 0.0}),  # throughput does not follow it
    ],
)
def test_elsewhere_the_figure_stays(accesses_ns, line):
    found = published(accesses_ns, **line)
    assert found.high == pytest.approx(MEASURED.high)
    assert not [*fast_memory_sentence(found, MEASURED)]


def test_a_trial_without_a_reading_is_left_out_of_the_mean():
    assert published([30.0, 31.0, 33.0, None, 33.0]).high == pytest.approx(1270.5)


def test_a_trial_that_does_not_count_moves_nothing():
    assert published([30.0, 31.0, 33.0, 90.0, 33.0], invalid=(3,)).high == pytest.approx(1270.5)
