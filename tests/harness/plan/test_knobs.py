"""Knobs: their texts, their legal values, their errors."""

import pytest

from harness.errors import UserError
from harness.plan.knobs import Knob, KnobSet, format_value

SIZE = Knob(name="batch_size", doc="", default=32, swept=(1, 4), minimum=1, maximum=64)
WAIT = Knob(name="batch_wait_ms", doc="", default=0.0, swept=(0.0, 2.0), minimum=0.0, unit="ms")
POLICY = Knob(name="batch_policy", doc="", default="greedy", swept=("greedy",), choices=("greedy", "fixed"))
CACHE = Knob(name="kv_cache", doc="", default=True, swept=(True, False))
KNOBS = KnobSet("toy", (SIZE, WAIT, POLICY, CACHE))


@pytest.mark.parametrize(
    ("knob", "text", "value"),
    [(SIZE, "8", 8), (SIZE, " 8 ", 8), (WAIT, "0.5", 0.5), (POLICY, "fixed", "fixed"), (CACHE, "off", False)],
)
def test_a_text_is_read_as_the_type_of_the_default(knob, text, value):
    parsed = knob.parse(text)
    assert parsed == value
    assert type(parsed) is type(knob.default)


@pytest.mark.parametrize(
    ("knob", "text"),
    [(SIZE, "0"), (SIZE, "65"), (SIZE, "1.5"), (SIZE, ""), (WAIT, "-1"), (WAIT, "nan"), (POLICY, "slow"), (CACHE, "2")],
)
def test_an_illegal_value_is_refused_with_what_would_be_legal(knob, text):
    with pytest.raises(UserError) as caught:
        knob.parse(text)
    assert knob.name in str(caught.value)
    assert knob.legal in str(caught.value)


def test_an_unknown_knob_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'batch_size'"):
        KNOBS.parse_setting(["batchsize=3"])


def test_a_setting_needs_a_value():
    with pytest.raises(UserError, match="for example batch_size=32"):
        KNOBS.parse_setting(["batch_size"])


def test_a_sweep_keeps_the_given_order_and_drops_repetitions():
    assert KNOBS.parse_sweep(["batch_wait_ms", "batch_size=8,1,8"]) == {
        "batch_wait_ms": (0.0, 2.0),
        "batch_size": (8, 1),
    }


def test_completing_a_setting_fills_in_defaults_and_checks():
    assert KNOBS.complete({"batch_size": 2}) == {
        "batch_size": 2,
        "batch_wait_ms": 0.0,
        "batch_policy": "greedy",
        "kv_cache": True,
    }
    with pytest.raises(UserError, match="batch_size=100"):
        KNOBS.complete({"batch_size": 100})


def test_a_choice_that_this_machine_lacks_says_how_to_get_it():
    warp = Knob(name="engine", doc="", default="eager", swept=("eager",), choices=("eager", "warp"))
    lacking = Knob(**{**{name: getattr(warp, name) for name in warp.__slots__}, "unavailable": (("warp", "buy one"),)})
    assert warp.check("warp") == "warp"
    with pytest.raises(UserError, match="engine=warp: buy one"):
        lacking.parse("warp")


def test_values_that_do_not_go_together_are_refused_with_the_defaults_counted_in():
    pair = KnobSet(
        "toy", KNOBS.knobs, lambda given: "too large" if given["batch_size"] > given["batch_wait_ms"] else None
    )
    assert pair.complete({"batch_size": 2, "batch_wait_ms": 3.0})["batch_size"] == 2
    with pytest.raises(UserError, match="too large"):
        pair.complete({"batch_wait_ms": 31.0})


@pytest.mark.parametrize(("value", "text"), [(True, "on"), (0.5, "0.5"), (2.0, "2"), (32, "32"), ("a", "a")])
def test_a_value_is_written_as_a_user_types_it(value, text):
    assert format_value(value) == text
