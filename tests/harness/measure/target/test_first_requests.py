"""What a language model's server is asked before the load: for each request class whose requests are others."""

import json

import pytest
from http_service import JsonHandler, served_by

from harness.errors import UserError
from harness.measure.target.first_requests import FirstRequests, first_requests
from harness.plan.arrivals import Closed
from harness.plan.chat_shape import ChatShape
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point
from harness.plan.request_mix import RequestClass
from harness.wire.language.generation_options import TakenFields
from harness.wire.server_url import parse_url

pytestmark = pytest.mark.process

OWN_PROMPTS = ChatShape(prompts="lines.txt")  # of which no length is to be found out
CLASSES = {
    "plain": RequestClass(verb="chat"),
    "reasoning": RequestClass(verb="chat", model="o3"),
    "urgent": RequestClass(verb="chat", priority=1),
}


def refusing(refused, bodies):
    """A server that refuses a field where `refused(body)` names one, and keeps the bodies."""

    class Handler(JsonHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            name = refused(bodies[-1])
            said = {"error": {"message": f"Unsupported parameter: '{name}'", "param": name}}
            self.answer(400 if name else 200, said if name else {})

    return served_by(Handler)


def of_a_gateway(body):
    if body["model"] == "o3" and "max_tokens" in body:
        return "max_tokens"
    return "ignore_eos" if "ignore_eos" in body else ""


def test_each_class_with_another_model_or_fields_of_its_own_is_asked_for():
    bodies = []
    with refusing(of_a_gateway, bodies) as url:
        accepted = first_requests(parse_url(url), "openai", "m", OWN_PROMPTS, CLASSES)
    assert (accepted.length_field, accepted.left_out) == ("", ("ignore_eos",))
    assert accepted.taken_by_class == {
        "reasoning": TakenFields("max_completion_tokens", ("ignore_eos",)),
        "urgent": TakenFields("", ("ignore_eos",)),
    }
    # each is asked until nothing is refused: 2 of the load's own, 3 of `reasoning`, 2 of `urgent`, none of `plain`
    assert [(body["model"], body.get("priority")) for body in bodies] == [
        *[("m", None)] * 2, *[("o3", None)] * 3, *[("m", 1)] * 2,
    ]  # fmt: skip


def test_a_field_of_a_class_that_the_server_refuses_is_named_before_the_load():
    with (
        refusing(lambda body: "priority" if "priority" in body else "", []) as url,
        pytest.raises(UserError, match="Unsupported parameter: 'priority'"),
    ):
        first_requests(parse_url(url), "openai", "m", OWN_PROMPTS, CLASSES)


@pytest.mark.parametrize("differs", [False, True])
def test_servers_that_share_a_load_must_take_the_same_fields(differs):
    plan = Plan(
        name="run", target="", scenario="", model="m", points=(Point(number=0, setting={}, arrivals=Closed(users=1)),),
        trials=(), repeats=1, seed=0, load=LoadSettings(chat=OWN_PROMPTS), chat_classes=CLASSES,
    )  # fmt: skip
    other = of_a_gateway if not differs else lambda body: "max_tokens" if "max_tokens" in body else ""
    with refusing(of_a_gateway, []) as first, refusing(other, []) as second:
        if differs:
            with pytest.raises(UserError, match=rf"{first},{second}: these servers do not take the same fields"):
                FirstRequests(plan).accepted_by(first, "openai", "m", (second,))
        else:
            assert FirstRequests(plan).accepted_by(first, "openai", "m", (second,)).left_out == ("ignore_eos",)
