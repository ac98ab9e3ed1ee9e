from pathlib import Path

import pytest

from harness.errors import UserError
from harness.plan.server_recipe import filled, load_recipe
from harness.plan.target_spec import find_target
from targets import TARGETS
from targets.external import shipped

GOOD = """
name = "mine"
doc = "a server of mine"
models = ["m"]
command = ["{python}", "server.py", "{port}", "--batch", "{batch}"]

[ready]
path = "/health"

[knobs.batch]
doc = "The most rows in one call."
default = 4
values = [1, 4, 16]
minimum = 1
"""


def recipe_of(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text)
    return load_recipe(path)


def test_a_recipe_becomes_a_target_with_its_knobs(tmp_path):
    recipe_of(tmp_path, GOOD)
    spec = find_target(str(tmp_path / "recipe.toml"))
    assert (spec.name, spec.models, spec.protocol) == ("mine", ("m",), "http-json")
    (knob,) = spec.knobs
    assert (knob.name, knob.default, knob.swept, knob.legal) == ("batch", 4, (1, 4, 16), "a whole number, 1 or more")


def test_a_whole_default_among_fractions_is_a_fraction(tmp_path):
    spec = recipe_of(tmp_path, GOOD.replace("default = 4\nvalues = [1, 4, 16]", "default = 4\nvalues = [0.5, 4]"))
    (knob,) = spec.knob_set()
    assert (knob.default, knob.swept) == (4.0, (0.5, 4.0))
    assert all(isinstance(value, float) for value in (knob.default, *knob.swept))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("name =", "nam =", "nam"),
        ('doc = "The', 'dok = "The', "dok"),
        ("{batch}", "{batsh}", r"\{batsh\}.*\{batch\}"),
        ('"--batch", "{batch}"', '"x"', "knob batch does nothing"),
        ("name =", 'stop = { signal = "SIGNONE" }\nname =', "SIGNONE is no signal"),
        ('command = ["{python}", "server.py", "{port}", "--batch", "{batch}"]', "command = []", "command is empty"),
        ('models = ["m"]', 'expect = "$.a ="', "expect"),
        ("default = 4", 'default = "4', "not a recipe"),
        ("[ready]", "[ready", "not a recipe"),
    ],
)
def test_a_recipe_that_is_wrong_names_the_file_and_the_field(tmp_path, before, after, says):
    with pytest.raises(UserError, match=says) as raised:
        recipe_of(tmp_path, GOOD.replace(before, after))
    assert "recipe.toml" in str(raised.value)


def test_a_recipe_of_a_service_that_speaks_no_protocol(tmp_path):
    recipe = recipe_of(tmp_path, GOOD.replace('models = ["m"]', 'request = { form = ["file=@a/*.png", "k=1"] }'))
    assert (recipe.models, recipe.protocol) == (("mine",), "http")
    assert recipe.request.within(tmp_path).form == (f"file=@{tmp_path}/a/*.png", "k=1")


def test_a_url_with_a_path_is_that_of_a_service_unless_a_protocol_is_named(tmp_path):
    with_path = 'url = "http://127.0.0.1:{port}/predict"\n' + GOOD
    assert recipe_of(tmp_path, with_path).protocol == "http"
    assert recipe_of(tmp_path, with_path.replace("/predict", "/")).protocol == "http-json"
    assert recipe_of(tmp_path, 'protocol = "tfs"\n' + with_path).protocol == "tfs"


def test_a_knob_may_not_hide_a_placeholder(tmp_path):
    with pytest.raises(UserError, match="knob port has the name of a placeholder"):
        recipe_of(tmp_path, GOOD.replace("[knobs.batch]", "[knobs.port]").replace("{batch}", "{port}"))


def test_a_knob_may_not_hide_one_of_the_load(tmp_path):
    recipe = recipe_of(
        tmp_path, GOOD.replace("[knobs.batch]", "[knobs.concurrency]").replace("{batch}", "{concurrency}")
    )
    with pytest.raises(UserError, match="knob concurrency has the name of a knob of the load"):
        find_target(recipe.path)


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.toml.*No such file"):
        find_target(str(tmp_path / "nowhere.toml"))


def test_placeholders_are_filled_and_json_is_left_alone():
    text = '--on {flag} --config {"a": 1} -n {count}'
    assert filled(text, {"flag": True, "count": 3}) == '--on true --config {"a": 1} -n 3'


@pytest.mark.parametrize("spec", shipped(), ids=lambda spec: spec.name)
def test_a_shipped_recipe_is_found_by_its_name(spec):
    assert TARGETS[spec.name] == spec
    assert find_target(spec.name).knobs.defaults() == spec.knobs.defaults()
    assert Path(spec.recipe.path).parent.name == spec.name
    for knob in spec.knobs:
        assert [knob.check(value) for value in knob.swept] == list(knob.swept)


def test_values_that_exclude_each_other_and_knobs_without_effect(tmp_path):
    recipe = """
name = "a"
doc = "a"
models = ["m"]
command = ["a", "{batch}", "{wait}"]
[ready]
path = "/"
[knobs.batch]
doc = "rows"
default = 1
values = [1, 8]
[knobs.wait]
doc = "ms"
default = 0
values = [0, 5]
needs = { batch = [8] }
tune = false
[[forbids]]
setting = { batch = [8], wait = [5] }
why = "a batch of 8 never waits"
"""
    path = tmp_path / "recipe.toml"
    path.write_text(recipe)
    knobs = load_recipe(path).knob_set()
    assert knobs.conflict_in({"batch": 8, "wait": 5}) == "a batch of 8 never waits"
    assert knobs.conflict_in({"batch": 8}) is None
    assert knobs["batch"].tuned == (1, 8)
    assert knobs["wait"].tuned == ()
    assert not knobs.has_effect("wait", {"batch": 1})
    assert knobs.has_effect("wait", {"batch": 8})
    path.write_text(recipe.replace("batch = [8], wait", "bath = [8], wait"))
    with pytest.raises(UserError, match="bath"):
        load_recipe(path)
