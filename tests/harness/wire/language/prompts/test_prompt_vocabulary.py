"""Words of one token each, found on servers whose tokenizer and template are known."""

import json

import pytest

from harness.errors import UserError
from harness.plan.load_options import chat_of
from harness.wire.language.prompts.prompt_vocabulary import find_vocabulary, prompt_messages
from harness.wire.language.prompts.vocabulary import COMMON_WORDS
from harness.wire.server_url import parse_url
from tests.harness.measure.load.conftest import ScriptedServer

pytestmark = pytest.mark.process

TEMPLATE = 11  # tokens
LONG_WORDS = {word for word in COMMON_WORDS if len(word) >= 8}  # two tokens each


def tokens_in(text):
    return sum(2 if word in LONG_WORDS else 1 for word in text.split())


def answer(document, status=200):
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class CountingServer(ScriptedServer):
    """Counts tokens by `tokens_in`, and adds the template's; `tokenize` is the form in which it says so before."""

    def __init__(self, *, tokenize="", system=True, usage=True, merges=False):
        super().__init__(self.respond)
        self.tokenize, self.system, self.usage, self.merges = tokenize, system, usage, merges

    def respond(self, number, request, connection):
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        if request.startswith(b"POST /tokenize "):
            known = self.tokenize in body
            return answer({"tokens": [0] * tokens_in(body[self.tokenize])} if known else {}, 200 if known else 404)
        texts = [message["content"] for message in body["messages"]]
        if not self.system and body["messages"][0]["role"] == "system":
            return answer({"error": {"message": "roles must alternate"}}, 400)
        count = TEMPLATE + sum(map(tokens_in, texts)) // (2 if self.merges else 1)
        usage = {"usage": {"prompt_tokens": count, "completion_tokens": 1}} if self.usage else {}
        chunk = {"choices": [{"delta": {"content": "x"}, "finish_reason": "length"}], **usage}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(data)
        return head + data


@pytest.fixture
def find():
    servers = []

    def start(**options):
        servers.append(CountingServer(**options))
        shape = chat_of({"prompt_tokens": "64"})
        return find_vocabulary(parse_url(servers[-1].url + "/v1"), "openai", "m", shape), servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("form", ["", "content", "prompt"], ids=["usage alone", "llama.cpp", "vLLM"])
def test_only_words_of_one_token_are_taken(find, form):
    vocabulary, server = find(tokenize=form)
    assert not LONG_WORDS & set(vocabulary.words)
    assert (vocabulary.template_tokens, vocabulary.system) == (TEMPLATE, True)
    assert len(vocabulary.words) > len(COMMON_WORDS) / 2
    asked = sum(request.startswith(b"POST /v1/chat") for request in server.requests)
    assert asked <= (100 if not form else 3)


def test_a_template_without_a_system_message_is_found_out(find):
    assert find(system=False)[0].system is False


def test_a_server_that_does_not_count_is_refused_before_the_load(find):
    with pytest.raises(UserError, match="does not count the tokens of a prompt; give --prompt-words"):
        find(usage=False)


def test_a_tokenizer_that_joins_words_is_refused(find):
    with pytest.raises(UserError, match=r"does not grow by one with each word|only 0 common words"):
        find(merges=True, tokenize="content")


def test_the_first_words_are_the_system_message():
    messages = prompt_messages(list("abcdefgh"), system=True)
    assert [message["content"] for message in messages] == ["a b c d e f", "g h"]
