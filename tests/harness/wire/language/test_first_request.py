"""The first request finds out which fields a server takes, and refuses to load one that refuses them all."""

import json

import pytest

from harness.errors import UserError
from harness.wire.language.first_request import TakenFields, ask_first
from harness.wire.language.generation_options import GenerationOptions
from harness.wire.server_url import parse_url
from tests.harness.measure.load.conftest import ScriptedServer

pytestmark = pytest.mark.process


def answer(status, document):
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def openai_error(message, param=None):
    return answer(400, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}})


def asked(request):
    return json.loads(request.partition(b"\r\n\r\n")[2])


@pytest.fixture
def ask():
    servers = []

    def start(refuse, options=None, prefix=""):
        """Asks a server that answers what `refuse(body)` returns, or else with 200."""
        servers.append(ScriptedServer(lambda _, request, __: refuse(asked(request)) or answer(200, {})))
        url = parse_url(servers[-1].url + prefix)
        accepted = ask_first(url, "openai", "m", options or GenerationOptions())
        return accepted, [asked(request) for request in servers[-1].requests]

    yield start
    for server in servers:
        server.close()


# What servers say to a field that they do not take; the field as a word of the complaint or as its `param`.
COMPLAINTS = [
    ("max_tokens", openai_error("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                                "'max_completion_tokens' instead.", "max_tokens")),
    ("ignore_eos", openai_error("Unrecognized request argument supplied: ignore_eos")),
    ("ignore_eos", answer(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "ignore_eos"],
                                            "msg": "Extra inputs are not permitted", "input": True}]})),
    ("temperature", openai_error("Unsupported value: 'temperature' does not support 0 with this model.",
                                 "temperature")),
    ("stream_options", openai_error("stream_options: Extra inputs are not permitted")),
]  # fmt: skip


@pytest.mark.parametrize(("field", "complaint"), COMPLAINTS)
def test_a_field_that_is_refused_is_left_out_or_sent_by_its_other_name(ask, field, complaint):
    accepted, bodies = ask(lambda body: complaint if field in body else None)
    assert [field in body for body in bodies] == [True, False]
    if field == "max_tokens":
        assert accepted == TakenFields("max_completion_tokens", ())
        assert bodies[-1]["max_completion_tokens"] == bodies[0]["max_tokens"]
    else:
        assert accepted == TakenFields("", (field,))


def test_a_server_that_refuses_several_fields_is_asked_until_none_is_left(ask):
    refused = ("temperature", "ignore_eos", "stream_options", "max_tokens")

    def refuse(body):
        return next((openai_error(f"Unknown parameter: '{name}'.", name) for name in refused if name in body), None)

    accepted, bodies = ask(refuse)
    assert accepted.length_field == "max_completion_tokens"
    assert set(accepted.left_out) == set(refused) - {"max_tokens"}
    assert len(bodies) == 5


def test_what_the_user_chose_is_not_changed(ask):
    chosen = GenerationOptions(extra_body={"temperature": 0.7}, length_field="max_tokens")
    with pytest.raises(UserError, match="HTTP 400: temperature must be 1"):
        ask(lambda body: openai_error("temperature must be 1, and max_tokens is unknown"), chosen)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (answer(401, {"error": {"message": "no key"}}), "HTTP 401: no key.*SWEEPSPOT_TOKEN"),
        (answer(400, {"error": {"message": "the context is too short"}}), "the context is too short.*--extra-body"),
        (answer(500, {"error": "engine died"}), "HTTP 500: engine died"),
    ],
)
def test_a_server_that_refuses_everything_is_quoted_before_the_load(ask, refusal, words):
    with pytest.raises(UserError, match=words):
        ask(lambda _: refusal)


def test_an_unknown_model_is_told_apart_from_a_wrong_path():
    def script(_, request, __):
        if request.startswith(b"GET /v1/models "):
            return answer(200, {"data": [{"id": "llama"}, {"id": "qwen"}]})
        return answer(404, {"error": {"message": "no such model"}})

    server = ScriptedServer(script)
    with pytest.raises(UserError, match=r"404: no such model\) at /v1/chat/completions; its models are llama, qwen"):
        ask_first(parse_url(server.url), "openai", "m", GenerationOptions())
    server.close()


def test_a_busy_server_is_asked_again(ask):
    busy = iter([answer(429, {"error": "slow down"})])
    accepted, bodies = ask(lambda _: next(busy, None))
    assert (accepted, len(bodies)) == (TakenFields("", ()), 2)
