"""The default of a search where the scenario sets a knob that is turned, or values exclude each other."""

import msgspec

from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan
from harness.plan.plan_draft import Draft
from harness.plan.scenario import Scenario
from harness.plan.target_spec import find_target
from harness.run.tune_plan import TuneGoal, make_tune_plan, space_of

RECIPE = """
name = "mine"
doc = "a server of mine"
command = ["{python}", "server.py", "{port}", "{batch}", "{wait_ms}"]
[knobs.batch]
doc = "The most rows in one call."
default = 32
values = [1, 8, 32]
[knobs.wait_ms]
doc = "How long a batch waits to fill."
default = 0
values = [0, 10]
[[forbids]]
setting = { batch = [32], wait_ms = [10] }
why = "large batches do not wait"
"""


def planned(target, *words, knobs=()):
    load = LoadSettings(warmup_s=0.5, measure_s=2.0)
    plan = Plan(target=target, scenario="scenarios/image.py", budget_seconds=600.0, load=load)
    draft = Draft(plan=plan, spec=find_target(target), words=words, concurrency=(8,))
    return make_tune_plan(draft, Scenario(knobs=knobs), TuneGoal())


def settings_of(plan):
    space = space_of(plan)
    return [space.setting(number) for number in range(len(space))]


def test_what_the_scenario_sets_of_a_turned_knob_is_the_default():
    plan = planned("batched", "preprocess=client,batch", "tta=2", knobs=("preprocess=batch",))
    assert (plan.points[0].setting, plan.fixed, plan.left_out) == ({"preprocess": "batch"}, {"tta": 2}, ())
    assert settings_of(plan) == [{"preprocess": "batch"}, {"preprocess": "client"}]


def test_a_default_that_is_not_possible_gives_way_to_the_first_setting_that_is_and_that_is_said():
    plan = planned("batched", "preprocess=client,batch", "tta=2")
    assert plan.points[0].setting == {"preprocess": "client"}
    (said,) = plan.left_out
    assert said.startswith("the default (tta: with preprocess=offline items arrive preprocessed; choose preprocess=")
    assert said.endswith("); preprocess=client takes its place")
    assert settings_of(plan) == [{"preprocess": "client"}, {"preprocess": "batch"}]


def test_a_recipe_that_forbids_the_default_beside_a_given_value_can_be_tuned(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    plan = planned(str(path), "batch=1,8", "wait_ms=10")
    assert settings_of(plan) == [{"batch": 1}, {"batch": 8}]
    assert (plan.tune.settings, plan.fixed) == (2, {"wait_ms": 10})
    assert plan.left_out == ("the default (large batches do not wait); batch=1 takes its place",)


def test_a_default_that_the_recipe_has_changed_since_leaves_the_space_as_it_was(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    plan = planned(str(path), "batch=1,8", "wait_ms=0")
    assert settings_of(plan) == [{"batch": 32}, {"batch": 1}, {"batch": 8}]
    path.write_text(RECIPE.replace("default = 32", "default = 8"))
    known = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert settings_of(known) == [{"batch": 32}, {"batch": 1}, {"batch": 8}]
