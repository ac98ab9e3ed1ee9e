"""The recipes of vLLM, SGLang, TGI and Ollama, with servers that take their flags and answer in their form."""

import sys
from pathlib import Path

import pytest

from harness.measure.target.recipe_server import RecipeServer
from harness.measure.target.statistics_reader import find_statistics_reader
from harness.plan.chat_shape import ChatShape
from harness.wire.bounded_http import exchange
from harness.wire.language.first_request import MESSAGE, ask_first
from harness.wire.protocols import make_text_codec
from harness.wire.server_url import parse_url
from targets.external import shipped

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[4]
COMMANDS = {"vllm": "vllm", "tgi": "text-generation-launcher", "ollama": "ollama", "sglang": "python3"}
FOUND = {"vllm": "vLLM's metrics", "sglang": "SGLang's metrics", "tgi": "TGI's metrics"}


@pytest.fixture
def recipe_of(tmp_path, monkeypatch):
    """Starts the recipe of a name, whose command is found in front of all others."""
    servers = []

    def start(name, **environment):
        command = tmp_path / COMMANDS[name]
        skipped = "shift 2\n" if name == "sglang" else ""  # -m sglang.launch_server
        words = f'exec "{sys.executable}" -m tests.examples.language_server {name} "$@"'
        command.write_text(f"#!/bin/sh\n{skipped}{words}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        spec = next(each for each in shipped() if each.name == name)
        server = RecipeServer(spec.recipe, spec.models[0], spec.knobs.complete({}), log=tmp_path / "log")
        servers.append(server)
        return server.start(), spec

    yield start
    for server in servers:
        server.stop()


def respond(url, model, tokens):
    """The stream of one response, read to its end."""
    codec = make_text_codec("openai", parse_url(url), model, ChatShape())
    body = exchange(parse_url(url), codec.encode([MESSAGE], tokens), timeout_s=10, limit_bytes=1 << 20).body
    stream = codec.new_stream()
    stream.feed(body, 1)
    stream.end()
    return stream


@pytest.mark.parametrize("name", COMMANDS)
def test_a_recipe_starts_its_server_with_flags_that_it_has_and_reads_its_answers(recipe_of, name):
    ready, spec = recipe_of(name)
    assert ask_first(parse_url(ready.url), "openai", spec.models[0], ChatShape()) == ("", ())
    stream = respond(ready.url, spec.models[0], 6)
    assert (len(stream.instants_ns), stream.text, stream.finish) == (6, "w " * 6, "length")
    assert (stream.prompt_tokens, stream.usage_tokens) == (20, 6)
    assert stream.cached_tokens == (5 if name in {"vllm", "sglang"} else -1)  # the others say nothing of it


@pytest.mark.parametrize("age", ["new", "old"])
@pytest.mark.parametrize("name", FOUND)
def test_its_metrics_are_found_under_the_names_of_both_ages(recipe_of, name, age):
    ready, spec = recipe_of(name, METRICS=age)
    reader = find_statistics_reader(ready.url, name, "")
    assert reader.family.name == FOUND[name]
    before = reader.read()
    respond(ready.url, spec.models[0], 2)
    after = reader.read()
    grown = {key: after[key] - before[key] for key in after if key not in reader.family.gauge_samples}
    queue = next(part for part in reader.family.parts if part.name == "queue")
    assert grown[queue.per] == 1
    assert sum(grown[total] for total in queue.totals if total in grown) == pytest.approx(0.01)
    kv_cache = [after[key] for gauge in reader.family.gauges if gauge.name == "kv_cache" for key in gauge.samples
                if key in after]  # fmt: skip
    assert kv_cache == ([] if name == "tgi" else [0.5])  # TGI says nothing of its cache: absent, not 0
    hits = [share for share in reader.family.shares if share.name == "prefix_hits"]
    assert [sum(grown[key] for key in share.part if key in grown) for share in hits] == ([] if name == "tgi" else [5])


def test_two_servers_of_tgi_have_a_port_each_for_their_metrics(recipe_of):
    assert recipe_of("tgi")[0].url != recipe_of("tgi")[0].url


def test_ollama_has_no_metrics(recipe_of):
    ready, _ = recipe_of("ollama")
    assert find_statistics_reader(ready.url, "ollama", "") is None
