import numpy as np
import pytest

from harness.errors import UserError
from harness.plan.knobs import Apply, Knob, KnobSet
from harness.search.space import make_space

BATCH = Knob(name="batch", doc="", default=4, swept=(1, 4, 16), minimum=1, apply=Apply.LIVE)
POLICY = Knob(name="policy", doc="", default="greedy", swept=("greedy", "fixed"), choices=("greedy", "fixed"))
WAIT = Knob(name="wait", doc="", default=0.0, swept=(0.0, 2.0), minimum=0, needs=(("policy", ("fixed",)),))
KNOBS = KnobSet(
    "server", (BATCH, POLICY, WAIT), lambda s: "batch 1" if s["batch"] == 1 and s["policy"] == "fixed" else None
)


def test_the_default_comes_first_and_knobs_without_effect_make_no_setting_of_their_own():
    space = make_space(KNOBS, {knob.name: knob.swept for knob in KNOBS}, {})
    settings = [tuple(space.setting(number).values()) for number in range(len(space))]
    assert settings[0] == (4, "greedy", 0.0)
    assert sorted(settings) == sorted([
        (1, "greedy", 0.0), (4, "greedy", 0.0), (16, "greedy", 0.0),
        (4, "fixed", 0.0), (4, "fixed", 2.0), (16, "fixed", 0.0), (16, "fixed", 2.0),
    ])  # fmt: skip
    assert space.impossible == 2  # batch 1 with policy fixed, at two waits


def test_a_default_that_is_not_among_the_values_is_a_setting_of_its_own():
    space = make_space(KNOBS, {"batch": (16, 64)}, {})
    assert [space.setting(number) for number in range(len(space))] == [{"batch": 4}, {"batch": 16}, {"batch": 64}]


def test_settings_that_differ_in_live_knobs_share_a_start():
    space = make_space(KNOBS, {"batch": (4, 16), "policy": ("greedy", "fixed")}, {})
    starts = {tuple(space.setting(number).values()): space.starts[number] for number in range(len(space))}
    assert starts[4, "greedy"] == starts[16, "greedy"] != starts[4, "fixed"]


def test_distances_are_logarithmic_for_numbers_and_0_or_1_for_categories():
    batch, policy = make_space(KNOBS, {"batch": (1, 4, 16), "policy": POLICY.swept}, {}).dimensions
    assert np.allclose(batch.distances(), [[0, 0.5, 1], [0.5, 0, 0.5], [1, 0.5, 0]])
    assert np.allclose(policy.distances(), [[0, 1], [1, 0]])


def test_a_setting_is_found_by_its_values():
    space = make_space(KNOBS, {"batch": (1, 4, 16)}, {})
    assert [space.number_of(space.setting(number)) for number in range(3)] == [0, 1, 2]
    assert space.changed(0) == []
    assert space.changed(1) == ["batch"]
    with pytest.raises(KeyError):
        make_space(KNOBS, {"batch": (1, 16), "policy": POLICY.swept}, {}).number_of({"batch": 1, "policy": "fixed"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": (4,)}, "only one setting is possible"),
        ({"batch": tuple(range(1, 400)), "wait": tuple(float(number) for number in range(400))}, "give fewer values"),
    ],
)
def test_a_space_without_choice_or_without_bounds_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        make_space(KNOBS, values, {})


def settings_of(space):
    return [space.setting(number) for number in range(len(space))]


def test_what_is_fixed_of_a_turned_knob_is_its_default():
    space = make_space(KNOBS, {"policy": POLICY.swept, "batch": (4, 16)}, {"policy": "fixed"})
    assert settings_of(space)[0] == {"policy": "fixed", "batch": 4}
    assert len(space) == 4


def test_where_the_default_is_not_possible_the_first_setting_that_is_takes_its_place():
    fixed = KnobSet("server", (BATCH, POLICY), lambda s: "no greedy" if s["policy"] == "greedy" else None)
    space = make_space(fixed, {"batch": (1, 16), "policy": POLICY.swept}, {})
    assert settings_of(space) == [{"batch": 1, "policy": "fixed"}, {"batch": 16, "policy": "fixed"}]
    assert space.impossible == 2
    again = make_space(fixed, {"batch": (1, 16), "policy": POLICY.swept}, space.setting(0))
    assert settings_of(again) == settings_of(space)
    with pytest.raises(UserError, match=r"^no greedy$"):
        make_space(fixed, {"batch": (1, 16)}, {})
