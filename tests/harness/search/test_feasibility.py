import numpy as np

from harness.plan.knobs import Knob, KnobSet
from harness.search.feasibility import WITHOUT_REASON, Feasibility
from harness.search.space import make_space

SIZES = (1, 2, 4, 8)
KNOBS = KnobSet("server", (
    Knob(name="engine", doc="", default="a", swept=("a", "b"), choices=("a", "b")),
    Knob(name="replicas", doc="", default=1, swept=SIZES),
    Knob(name="batch", doc="", default=1, swept=SIZES),
))  # fmt: skip
SPACE = make_space(KNOBS, {knob.name: knob.swept for knob in KNOBS}, {})


def chances(served, failed):
    numbers = np.arange(len(SPACE))
    as_numbers = [[SPACE.number_of(dict(zip(("engine", "replicas", "batch"), each, strict=True))) for each in part]
                  for part in (served, failed)]  # fmt: skip
    found = Feasibility(SPACE).chance(*as_numbers, numbers)
    return {tuple(SPACE.setting(number).values()): chance for number, chance in enumerate(found)}


def test_without_a_failure_nothing_speaks_against_a_setting():
    assert set(chances([("a", 1, 1)], []).values()) == {1.0 - WITHOUT_REASON}


def test_a_setting_that_failed_is_never_tried_again():
    assert chances([], [("b", 8, 1)])["b", 8, 1] == 0.0


def test_what_was_served_cannot_be_the_cause():
    served = [("a", 1, 1), ("b", 1, 1), ("a", 2, 8)]
    found = chances(served, [("b", 8, 8)])
    assert found["b", 1, 8] > 0.8  # neither the engine nor the batch can be it alone
    assert found["a", 8, 1] < found["a", 2, 8]  # eight replicas may be


def test_a_number_that_is_too_high_speaks_against_higher_ones():
    found = chances([("a", 1, 1), ("b", 1, 1), ("b", 1, 8)], [("a", 4, 1)])
    assert found["a", 8, 1] < found["a", 2, 1]
    assert found["b", 8, 4] < found["b", 2, 4]


def test_a_cause_that_all_failures_share_outweighs_the_others():
    served, failed = [("a", 1, 1), ("a", 8, 1), ("a", 2, 4)], [("b", 8, 1), ("b", 2, 4)]
    once, twice = chances(served, failed[:1]), chances(served, failed)
    assert twice["b", 1, 2] < once["b", 1, 2]
    assert twice["b", 1, 2] < 0.5 < twice["a", 1, 2]
