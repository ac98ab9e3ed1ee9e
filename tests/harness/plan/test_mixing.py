import pytest

from harness.errors import UserError
from harness.plan.plan import Plan
from harness.plan.plan_draft import Draft, make_plan
from harness.plan.request_mix import RequestClass
from harness.plan.scenario import Scenario, read_scenario
from targets import TARGETS

EXPLAIN = Scenario(
    classes={"predict": RequestClass(), "explain": RequestClass(verb="explain")}, mix="predict:9+explain:1"
)


def plan_of(*words, scenario=EXPLAIN, target="batched"):
    plan = Plan(target=target, scenario="scenarios/explain.py", model="digits-mlp", repeats=1)
    return make_plan(Draft(plan=plan, spec=TARGETS[target], words=words, concurrency=(2,)), scenario)


def test_a_bare_mix_is_the_first_class_alone_and_the_scenarios_own():
    plan = plan_of("mix")
    assert [plan.load_at(point).mix for point in plan.points] == ["predict", "predict:9+explain:1"]
    assert plan.swept == ("mix",)


def test_the_mix_is_the_loads_and_no_knob_of_the_target():
    plan = plan_of("mix=predict,predict+explain", "batch_size=4")
    assert [plan.target_setting(point) for point in plan.points] == [
        {"batch_size": 4, "explain_method": "integrated-gradients"}
    ] * 2


def test_a_target_that_can_explain_is_told_to_where_it_is_asked():
    assert plan_of().fixed == {"explain_method": "integrated-gradients"}
    assert plan_of("mix=predict").fixed == {"mix": "predict"}
    assert plan_of("explain_method=occlusion").fixed == {"explain_method": "occlusion"}
    assert plan_of("explain_method").swept == ("explain_method",)
    assert plan_of(target="null").fixed == {}


def test_mixes_share_one_start_of_the_target():
    plan = plan_of("mix", "explain_steps=8,16")
    order = [plan.point(trial.point).setting["explain_steps"] for trial in plan.trials]
    assert order in ([8, 8, 16, 16], [16, 16, 8, 8])


@pytest.mark.parametrize(
    ("word", "scenario", "says"),
    [
        ("mix=predict+explian", EXPLAIN, "explain"),
        ("mix", Scenario(), "only one request class"),
        ("mix=predict;explain", EXPLAIN, "predict:95"),
    ],
)
def test_a_mix_that_the_scenario_does_not_have_is_refused_before_anything_starts(word, scenario, says):
    with pytest.raises(UserError, match=says):
        plan_of(word, scenario=scenario)


@pytest.mark.process
def test_a_scenario_is_asked_for_its_classes():
    declared = read_scenario("scenarios/explain.py")
    assert {name: each.verb for name, each in declared.classes.items()} == {"predict": "predict", "explain": "explain"}
    assert declared.mix == "predict:90+explain:10"


def test_a_scenario_without_classes_only_predicts_and_is_not_imported(tmp_path):
    file = tmp_path / "plain.py"
    file.write_text("from harness.users import InferenceUser\nraise RuntimeError('imported')\n")
    assert read_scenario(str(file)) == Scenario()


@pytest.mark.process
@pytest.mark.parametrize(
    ("text", "says"), [("request_classes = nonsense\n", "nonsense"), (None, "no such file")], ids=["broken", "missing"]
)
def test_a_scenario_that_cannot_be_read_is_named(tmp_path, text, says):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=rf"--scenario .*mine\.py.*{says}"):
        read_scenario(str(file))
