"""Default prompts have a form that the server takes."""

import json

import pytest

from harness.wire.language.generation_options import GenerationOptions
from harness.wire.language.prompts.prompt_form import PromptForm, find_prompt_form
from harness.wire.server_url import parse_url
from tests.examples.http_service import JsonHandler, served_by

pytestmark = pytest.mark.process


def server_that_takes(words, *, system=True, status=400):
    class Handler(JsonHandler):
        def do_POST(self):
            messages = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
            count = sum(len(message["content"].split()) for message in messages)
            refused = count > words or (not system and messages[0]["role"] == "system")
            self.answer(
                status if refused else 200, {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
            )

    return served_by(Handler)


@pytest.mark.parametrize(
    ("takes", "found"),
    [
        ({"words": 1000}, PromptForm(system=True, words=384)),
        ({"words": 1000, "system": False}, PromptForm(system=False, words=384)),
        ({"words": 300}, PromptForm(system=True, words=192)),
        ({"words": 384}, PromptForm(system=True, words=192)),  # no room for the response
        ({"words": 90}, PromptForm(system=True, words=24)),
        ({"words": 0, "status": 500}, PromptForm(system=False, words=384)),  # not for their length
        ({"words": 0, "status": 429}, PromptForm(system=True, words=384)),  # busy: the load reports that
    ],
)
def test_a_prompt_is_as_long_as_the_server_takes_and_begins_with_a_system_message(takes, found):
    with server_that_takes(**takes) as url:
        assert find_prompt_form(parse_url(url), "openai", "m", GenerationOptions(stream=False), (384, 64)) == found
