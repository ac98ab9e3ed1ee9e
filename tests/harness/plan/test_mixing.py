import pytest

from harness.errors import UserError
from harness.plan.load_options import chat_of, chat_of_class
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan
from harness.plan.plan_draft import Draft, make_plan
from harness.plan.request_mix import RequestClass
from harness.plan.scenario import Scenario, read_scenario
from harness.plan.slo import parse_slo
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


CHATS = Scenario(
    classes={
        "quick": RequestClass(verb="chat", slo="ttft_p99<300ms", chat={"prompt_tokens": "64"}, model="lora"),
        "batch": RequestClass(verb="chat", chat={"output_tokens": "99"}),
    },
    mix="quick:9+batch:1",
)


def chats_of(*words, slo="ttft_p99<1s", scenario=CHATS):
    plan = Plan(target="agent", scenario="x.py", model="m", repeats=1, slo=parse_slo(slo) if slo else None)
    return make_plan(Draft(plan=plan, spec=TARGETS["agent"], words=words, concurrency=(2,)), scenario)


def test_the_objective_is_that_of_each_class_where_one_has_its_own():
    plan = chats_of()
    assert str(plan.slo) == "ttft_p99 \u2264 300 ms (quick) and ttft_p99 \u2264 1000 ms (batch)"
    assert plan.slo.of_all == ()
    assert str(chats_of("mix=batch").slo) == "ttft_p99 \u2264 1000 ms"
    assert chats_of(slo=None).slo is None


def test_what_a_class_needs_is_known_before_the_load():
    plan = chats_of()
    assert plan.load.chat.needs_vocabulary  # to make prompts of 64 tokens
    assert plan.chat_classes == CHATS.classes
    alone = chats_of("mix=batch")
    assert (alone.load.chat.needs_vocabulary, set(alone.chat_classes)) == (False, {"batch"})


def test_a_class_has_options_of_its_own_in_place_of_the_loads():
    chat = chat_of({"prompt_tokens": "512", "turns": "3", "extra_body": '{"top_p": 0.5}'})
    own = chat_of_class(RequestClass(verb="chat", chat={"prompt_words": "7"}, priority=2), chat)
    assert (own.prompt_words.low, own.prompt_tokens, own.turns.low) == (7, None, 3)
    assert own.extra_body == {"priority": 2, "top_p": 0.5}
    number = chat_of_class(RequestClass(verb="chat", chat={"turns": 2, "extra_body": {"top_k": 3}}), chat)
    assert (number.turns.low, number.extra_body) == (2, {"top_k": 3})


def test_a_class_that_does_not_chat_has_no_conversations_to_shape():
    with pytest.raises(UserError, match="has the verb predict"):
        chat_of_class(RequestClass(chat={"turns": "2"}), chat_of({}))


@pytest.mark.parametrize(
    ("chat", "says"),
    [
        ({"prompt_word": "7"}, "did you mean 'prompt_words'"),
        ({"output_tokens": "many"}, "--output-tokens many: write for example 64"),
        ({"prompt_words": "7", "prompt_tokens": "7"}, "give one"),
        ({"tool_pause": "2s-1s"}, "the shorter pause comes first"),
    ],
)
def test_an_option_of_a_class_that_cannot_be_read_is_refused(chat, says):
    with pytest.raises(UserError, match=says):
        chat_of_class(RequestClass(verb="chat", chat=chat), chat_of({}))


def test_a_pause_for_tools_is_refused_in_an_open_loop():
    plan = Plan(target="agent", scenario="x.py", model="m", load=LoadSettings(chat=chat_of({"tool_pause": "1s"})))
    with pytest.raises(UserError, match="--tool-pause: in an open loop"):
        make_plan(Draft(plan=plan, spec=TARGETS["agent"], words=("rate=5",), concurrency=()), CHATS)


def test_classes_that_chat_are_not_mixed_with_others():
    both = Scenario(classes={"chat": RequestClass(verb="chat"), "predict": RequestClass()})
    with pytest.raises(UserError, match="class predict does not chat"):
        chats_of(scenario=both)
