"""What a scenario brings: its place, its model, and knobs for the targets that have them."""

from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.plan.arrivals import Closed, Shape
from harness.plan.knobs import Apply, Knob, KnobSet
from harness.plan.plan import Plan
from harness.plan.plan_draft import Draft, make_plan, model_of, restart_count
from harness.plan.scenario import Scenario, find_scenario, read_scenario
from harness.plan.target_spec import EmbeddedTarget

WHERE = Knob(
    name="preprocess", doc="", default="offline", swept=("server", "batch"), choices=("offline", "server", "batch")
)
SIZE = Knob(name="batch_size", doc="", default=32, swept=(1, 4), minimum=1, apply=Apply.LIVE)
SPEC = EmbeddedTarget(
    name="toy",
    doc="",
    knobs=KnobSet("toy", (WHERE, SIZE)),
    models=("small", "large", "other"),
    command=("-m", "toy"),
    rivals=lambda model: ("other",) if model == "other" else ("small", "large"),
)
PLAIN = replace(SPEC, knobs=KnobSet("plain", (SIZE,)))
TEXT = Scenario(model="small", knobs=("preprocess=batch",))


def draft(*words, spec=SPEC, model="", repeats=2):
    plan = Plan(target="toy", scenario="s.py", model=model, repeats=repeats)
    return Draft(plan=plan, spec=spec, words=words, concurrency=(8,))


def test_a_scenario_is_found_by_its_name_or_by_its_path(tmp_path):
    assert find_scenario("text").endswith("scenarios/text.py")
    assert find_scenario("mine/own.py") == "mine/own.py"
    with pytest.raises(UserError, match="unknown --scenario 'texts': did you mean 'text'"):
        find_scenario("texts")


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "model"), [("image", "fashion-cnn"), ("speech", "speech-small"), ("text", "text-small")]
)
def test_each_field_has_a_scenario_with_a_model_of_its_own(name, model):
    scenario = read_scenario(find_scenario(name))
    assert (scenario.model, scenario.knobs) == (model, ("preprocess=batch",))


def test_its_model_and_knobs_count_where_the_user_says_nothing():
    plan = make_plan(draft(), TEXT)
    assert (plan.model, plan.fixed) == ("small", {"preprocess": "batch"})
    assert make_plan(draft("preprocess=server", model="large"), TEXT).fixed == {"preprocess": "server"}
    assert make_plan(draft("preprocess"), TEXT).swept == ("preprocess",)


def test_its_knobs_are_left_out_where_the_target_has_none_such():
    assert make_plan(draft(spec=PLAIN), TEXT).fixed == {}


LOCUSTFILE = """
from locust import HttpUser, LoadTestShape, task
class Shopper(HttpUser):
    @task
    def go(self): self.client.get("/")
"""
SHAPE = """
class Steps(LoadTestShape):
    def tick(self): return (5, 5) if self.get_run_time() < 90 else None
"""


@pytest.mark.process
def test_a_locustfile_of_others_declares_nothing_and_makes_its_own_requests(tmp_path):
    (tmp_path / "shop.py").write_text(LOCUSTFILE)
    scenario = read_scenario(str(tmp_path / "shop.py"))
    assert (scenario.own_requests, scenario.model, scenario.shape) == (True, "shop", None)
    assert scenario.foreign
    (tmp_path / "lean.py").write_text(
        LOCUSTFILE.replace(
            "locust import HttpUser,", "harness.users import LeanHttpUser as HttpUser\nfrom locust import"
        )
    )
    assert not read_scenario(str(tmp_path / "lean.py")).foreign
    (tmp_path / "none.py").write_text("import locust")
    with pytest.raises(UserError, match="it has no user class"):
        read_scenario(str(tmp_path / "none.py"))


@pytest.mark.process
def test_a_load_shape_says_how_long_it_lasts(tmp_path):
    (tmp_path / "shape.py").write_text(LOCUSTFILE + SHAPE)
    assert read_scenario(str(tmp_path / "shape.py")).shape == Shape(shape_s=90.0)
    (tmp_path / "endless.py").write_text(LOCUSTFILE + SHAPE.replace("< 90", ">= 0"))
    assert read_scenario(str(tmp_path / "endless.py")).shape == Shape()
    (tmp_path / "asks.py").write_text(LOCUSTFILE + SHAPE.replace("get_run_time()", "runner.user_count"))
    assert read_scenario(str(tmp_path / "asks.py")).shape == Shape()


def test_a_load_shape_is_the_only_level_of_a_plan():
    plan = make_plan(draft(), Scenario(shape=Shape(shape_s=90.0)))
    assert [point.arrivals for point in plan.points] == [Shape(shape_s=90.0)]
    assert plan.seconds == 90.0
    asked = make_plan(draft("concurrency=1,2"), Scenario(shape=Shape(shape_s=90.0)))
    assert [point.arrivals for point in asked.points] == [Closed(users=1), Closed(users=2)]
    with pytest.raises(UserError, match=r"--seconds: the load shape in s\.py does not say when it ends"):
        make_plan(draft(), Scenario(shape=Shape()))


def test_a_target_without_its_model_serves_its_own():
    chat = replace(SPEC, models=("chat",))
    assert model_of(draft(spec=chat), TEXT) == "chat"
    assert model_of(draft(spec=chat, model="small"), TEXT) == "small"


def test_the_model_is_a_knob_whose_plain_sweep_takes_the_rivals():
    plan = make_plan(draft("model"), TEXT)
    assert plan.models == ("small", "large")
    assert [plan.target_request(point).model for point in plan.points] == ["small", "large"]
    assert all("model" not in plan.target_request(point).setting for point in plan.points)
    assert make_plan(draft("model", model="other"), TEXT).models == ("other",)
    with pytest.raises(UserError, match="model=huge: not legal; model takes small, large, other"):
        make_plan(draft("model=small,huge"), TEXT)


def test_another_model_is_another_start_of_the_target():
    plan = make_plan(draft("model", "batch_size", repeats=1), TEXT)
    assert len(plan.trials) == 4
    assert restart_count(plan, SPEC.knobs) == 1
