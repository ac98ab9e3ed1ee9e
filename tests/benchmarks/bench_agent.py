"""The streaming agent: what batching gains, what continuous batching gains over static, and who agrees with us.

    .venv/bin/python -m tests.benchmarks.bench_agent [throughput] [scheduling] [agreement] [llama]

*throughput*: tokens/s of 16 streams over those of one, the same embedded model, server and load on a core each.
*scheduling*: time to first token at mixed lengths of answers, 12 users for 8 places, 64 s each in turns of 8 s.
*agreement*: time to first token and mean gap, ours against the `openai` package that times chunks itself; both ask in
turns, each a prompt of its own. Embedded agent (a token of prompt per step, so that a prompt takes long), llama.cpp.
"""

import contextlib
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import openai

from harness.measure.load.load_assembly import assemble
from harness.measure.load.phases import NEVER_NS
from harness.measure.target.embedded_server import EmbeddedServer
from harness.plan.load_options import chat_of
from harness.plan.load_settings import TrialLoad
from harness.plan.request_mix import ClassShare, RequestClass
from harness.plan.target_spec import find_target

ROOT = Path(__file__).parents[2]
ROUNDS = 30
LLAMA_PORT = 18_137


def run(*words, command="run"):
    """As a user would ask for it: the metrics of each point."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "harness", command, "--scenario", "agent", "--json", "--out", f"{folder}/run"]
        done = subprocess.run([*argv, *words], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
        return json.loads(done.stdout.strip().splitlines()[-1])["result"]["points"]


def throughput():
    """In turns; per second, and per second of the server's CPU, which other work on the machine does not touch."""
    found = {users: [] for users in ("1", "16")}
    for _ in range(3):
        for users, points in found.items():
            points.extend(run("--concurrency", users, "--seconds", "4s", "--turns", "1", "--output-tokens", "64"))
    rates = {}
    for users, points in found.items():
        per_s = [point["stream"]["tokens_per_s"]["value"] for point in points]
        per_cpu_s = [rate / point["usage"]["cpu_target_cores"] for rate, point in zip(per_s, points, strict=True)]
        rates[users] = statistics.median(per_s), statistics.median(per_cpu_s)
        print(
            f"| {users} streams | {rates[users][0]:,.0f} tokens/s | {rates[users][1]:,.0f} per CPU second |", flush=True
        )
    ratios = [many / one for one, many in zip(rates["1"], rates["16"], strict=True)]
    print(f"16 streams over one: {ratios[0]:.1f}x per second, {ratios[1]:.1f}x per CPU second")


def scheduling():
    """Both in turns, eight times each: other work on the machine falls on both."""
    points = run(
        "scheduling", "max_sequences=8", "--concurrency", "12", "--repeats", "8", "--seconds", "8s", "--turns", "1",
        "--output-tokens", "lognormal:24,0.9", "--slo", "none", command="sweep",
    )  # fmt: skip
    for point in points:
        stream = point["stream"]
        found = {q["p"]: q for q in stream["ttft"]["quantiles"]}
        tails = [f"p{100 * p:g} {_shown(found[p])}" for p in (0.5, 0.9, 0.95, 0.99)]
        rate = stream["tokens_per_s"]["value"]
        print(f"| {point['setting']['scheduling']} | TTFT {', '.join(tails)} | {rate:,.0f} tokens/s |", flush=True)


def _shown(quantile):
    if quantile["value_ms"] is None:
        return f">= {quantile['low_ms'] or 0:.0f} ms (too few requests)"
    return f"{quantile['value_ms']:.0f} ms ({quantile['low_ms']:.0f}-{quantile['high_ms']:.0f})"


class Nobody:
    """No arrivals: requests are launched by hand."""

    next_due_ns = NEVER_NS

    def on_due(self, now_ns):
        pass

    def on_free(self, connection, done_ns, *, failed):
        pass

    def on_refused(self, connection, done_ns, wait_ns):
        pass


class Ours:
    """The load's engine, one request at a time."""

    def __init__(self, folder, url, model, prompts, tokens):
        (folder / "prompts.txt").write_text("\n".join(prompts))
        options = TrialLoad(
            trial_dir=str(folder),
            model=model,
            protocol="openai",
            bank=str(folder / "prompts.txt"),
            check="off",
            timeout_s=60.0,
            classes=(ClassShare(name="chat", request_class=RequestClass(verb="chat")),),
            chat=chat_of({"turns": "1", "output_tokens": str(tokens)}),
        )
        self.load = assemble(options, url, lambda module, name: getattr(__import__(module), name))
        self.load.open()
        self.engine = self.load.engine
        self.engine.attach(Nobody())
        self.connection = self.engine.connection(0)
        self.poller = select.epoll()
        self.poller.register(self.engine.fileno(), select.EPOLLIN)

    def ask(self):
        ended = sum(self.load.ledger.ended)
        self.engine.launch(self.connection, time.monotonic_ns())
        while sum(self.load.ledger.ended) == ended:
            self.poller.poll(0.1)
            self.engine.turn()
        instants = self.connection.stream.instants_ns
        if len(instants) < 2:
            raise RuntimeError(str(self.load.ledger.errors))
        return instants[0] - self.connection.due_ns, (instants[-1] - instants[0]) / (len(instants) - 1)


class Theirs:
    """The `openai` package."""

    def __init__(self, url, model, prompts, tokens):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        self.model, self.prompts, self.tokens = model, iter(prompts), tokens

    def ask(self):
        messages = [{"role": "user", "content": next(self.prompts)}]
        start_ns = time.monotonic_ns()
        stream = self.client.chat.completions.create(
            model=self.model, messages=messages, max_tokens=self.tokens, temperature=0, stream=True,
            stream_options={"include_usage": True}, extra_body={"ignore_eos": True},
        )  # fmt: skip
        instants = [time.monotonic_ns() for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
        return instants[0] - start_ns, (instants[-1] - instants[0]) / (len(instants) - 1)


def prompts(count, words, seed):
    rng = random.Random(seed)
    vocabulary = ("water", "stone", "river", "cloud", "table", "garden", "window", "letter", "music", "paper")
    return [" ".join(rng.choice(vocabulary) for _ in range(words)) for _ in range(count)]


def agree(name, url, model, words, tokens):
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(Path(folder), url, model, prompts(ROUNDS + 3, words, 1), tokens)
        theirs = Theirs(url, model, prompts(ROUNDS + 3, words, 2), tokens)
        for _ in range(3):
            ours.ask(), theirs.ask()
        pairs = [(ours.ask(), theirs.ask()) for _ in range(ROUNDS)]
        ours.engine.close()
    for place, what in ((0, "TTFT"), (1, "mean ITL")):
        own, other = (statistics.median(pair[side][place] for pair in pairs) / 1e6 for side in (0, 1))
        print(f"| {name} | {what} | ours {own:.2f} ms | openai {other:.2f} ms | {own / other - 1:+.1%} |", flush=True)


def agreement():
    spec = find_target("agent")
    setting = spec.knobs.complete({"max_batch_tokens": 1})
    with EmbeddedServer(spec, "chat-gpt", setting) as target:
        agree("embedded agent", target.ready.url, "chat-gpt", 90, 40)


@contextlib.contextmanager
def llama_server():
    argv = [sys.executable, str(ROOT / "targets/external/llamacpp/server.py")]
    knobs = {"PORT": str(LLAMA_PORT), "MODEL_GGUF": "", "PARALLEL": "4", "CONTEXT": "512", "BATCH_TOKENS": "512"}
    env = {**os.environ, **knobs, "THREADS": "1"}
    server = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{LLAMA_PORT}/health")
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{LLAMA_PORT}"
    finally:
        server.terminate()
        server.wait(10)


def llama():
    with llama_server() as url:
        agree("llama.cpp, SmolLM2-135M", url, "smollm2", 24, 24)


PARTS = {"throughput": throughput, "scheduling": scheduling, "agreement": agreement, "llama": llama}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        print(f"\n{part}", flush=True)
        PARTS[part]()
