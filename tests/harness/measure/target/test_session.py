"""Sessions with a server by URL: real requests to a server that keeps count of them."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from http_service import JsonHandler, served_by

from harness.errors import RunError, UserError
from harness.measure.target.reached_target import UrlSession
from harness.measure.target.session import ManagedTargetSession, open_session
from harness.plan.arrivals import Closed
from harness.plan.chat_shape import ChatShape
from harness.plan.knobs import Apply, Knob, KnobSet
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, TargetRequest
from harness.plan.request_mix import RequestClass
from harness.system.cpu_cores import Isolation
from harness.wire.payload_bank import Bank
from tests.harness.measure.target.test_embedded_server import READY, SERVE, scripted

pytestmark = pytest.mark.process

SIZES = {"small": 2, "large": 5}  # inputs of the models
SHARED = Isolation(target_cores=(), load_cores=(), isolated=False, text="")
CHAT = {"chat": RequestClass(verb="chat")}


@pytest.fixture
def server():
    """A server of two models with the Open Inference Protocol; `posted` has the path of each request."""
    posted = []

    class Handler(JsonHandler):
        def do_GET(self):
            model = self.path.removeprefix("/v2/models/")
            if self.path == "/v2/health/ready":
                self.answer(200, {})
            elif model in SIZES:
                tensor = {"datatype": "FP32", "shape": [-1, SIZES[model]]}
                self.answer(200, {"inputs": [{"name": "in", **tensor}], "outputs": [{"name": "out", **tensor}]})
            else:
                self.answer(404, {"error": "unknown"})

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            posted.append(self.path)
            self.answer(200, {"outputs": []})

    with served_by(Handler) as url:
        yield SimpleNamespace(url=url, posted=posted)


def plan_of(url, models):
    settings = [{"model": model} for model in models]
    points = tuple(Point(number=n, setting=each, arrivals=Closed(users=1)) for n, each in enumerate(settings))
    return Plan(
        name="sweep-model", target=url, scenario="", model=models[0], points=points, trials=(), repeats=1, seed=0,
        load=LoadSettings(warmup_s=0.0, measure_s=1.0),
    )  # fmt: skip


def test_each_model_is_asked_for_with_its_own_payloads(server, tmp_path):
    plan = plan_of(server.url, ["small", "large"])
    session = open_session(plan, SHARED, lambda *_: None)

    banks = [Bank.load(session.serve(plan.target_request(point), tmp_path / "log").bank) for point in plan.points]

    assert isinstance(session, UrlSession)
    assert [(bank.meta.model, bank.inputs.shape[1:]) for bank in banks] == [("small", (2,)), ("large", (5,))]
    assert server.posted == ["/v2/models/small/infer", "/v2/models/large/infer"]  # one try each, and no more
    session.close()


def test_an_endpoint_has_the_protocol_that_was_found(server, tmp_path):
    plan = plan_of(server.url, ["small"])
    session = open_session(plan, SHARED, lambda *_: None)

    endpoint = session.serve(plan.target_request(plan.points[0]), tmp_path / "log")

    assert (endpoint.url, endpoint.protocol, endpoint.known) == (server.url, "http-json", False)
    assert session.pid is None
    assert not session.died()
    session.close()
    assert not endpoint.bank.exists()


def test_a_server_without_an_api_of_language_models_gets_no_conversations(server):
    plan = msgspec.structs.replace(plan_of(server.url, ["small"]), chat_classes=CHAT)
    with pytest.raises(UserError, match="no language model's API is found there; say which with --protocol"):
        open_session(plan, SHARED, lambda *_: None)


def test_conversations_find_the_api_of_a_language_model_by_themselves(tmp_path):
    class Handler(JsonHandler):
        def do_GET(self):
            self.answer(200 if self.path == "/v1/models" else 404, {"data": [{"id": "m", "object": "model"}]})

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(200, {})

    (tmp_path / "lines.txt").write_text("Name a colour.\n")
    load = LoadSettings(warmup_s=0.0, measure_s=1.0, chat=ChatShape(prompts=str(tmp_path / "lines.txt")))
    with served_by(Handler) as url:
        plan = msgspec.structs.replace(plan_of(url, ["m"]), load=load)
        session = open_session(msgspec.structs.replace(plan, chat_classes=CHAT), SHARED, lambda *_: None)
        assert session.serve(plan.target_request(plan.points[0]), tmp_path / "log").protocol == "openai"
        with pytest.raises(UserError, match="it carries conversations; add --scenario agent"):
            open_session(plan, SHARED, lambda *_: None)


def test_a_model_that_the_server_does_not_have_is_named_before_any_load(server):
    with pytest.raises(UserError, match=r"^model huge: .*404"):
        open_session(plan_of(server.url, ["small", "huge"]), SHARED, lambda *_: None)


def test_a_server_that_did_not_confirm_its_knobs_is_not_asked_again(tmp_path, monkeypatch):
    """It may still change them, and reply when the next change is awaited."""
    monkeypatch.setattr("harness.measure.target.embedded_server.SET_TIMEOUT_S", 0.05)
    knob = Knob(name="size", doc="", default=1, swept=(), apply=Apply.LIVE)
    target = replace(scripted(tmp_path, READY + SERVE), knobs=KnobSet("scripted", (knob,)))
    session = ManagedTargetSession(target, plan_of("scripted", ["m"]), SHARED, lambda *_: None)
    one, two = (TargetRequest(model="m", setting={"size": size}, protocol="auto") for size in (1, 2))

    session.serve(one, tmp_path / "log")
    first = session.pid
    with pytest.raises(RunError, match="did not take its knobs"):
        session.serve(two, tmp_path / "log")
    session.serve(one, tmp_path / "log")

    assert session.pid not in (None, first)
    session.close()
