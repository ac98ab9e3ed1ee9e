"""What clients say about the streams of a server whose log tells the truth: ours, GuideLLM, AIPerf and vLLM's.

    PEERS=FOLDER python -m tests.benchmarks.bench_stream_clients truth|cost|rate [TOOL ...]
    python -m tests.benchmarks.bench_stream_clients parts

*truth*: said less true at 1 to 128 streams, with jitter, stalls, four tokens a piece, and reasoning first. *cost*:
processor time per token, the whole tool, its run with one stream taken off. *rate*: the greatest rate that a tool reads
on one core with true gaps. *parts*: where the differences of ours come from, request by request.

FOLDER holds the virtual environments `guidellm` and `aiperf`, a folder `vllm` with `vllm/benchmarks/lib` of the wheel,
and a folder `tokenizer` (a tokenizer of words `w10`, `w11` ... is enough). The server is `stream_server.c`, built with
gcc; its own lateness is in each table. BENCH_CASES=128,stalls: these cases.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

HERE = Path(__file__).parent
PEERS = Path(os.environ.get("PEERS", "peers"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
CORES = sorted(os.sched_getaffinity(0))
TTFT_US, GAP_US, TOKENS = 200_000, 20_000, 50
PLAIN = {"ttft_us": TTFT_US, "gap_us": GAP_US, "tokens": TOKENS, "role": 1}
CASES = {
    "1 stream": (1, {}),
    "8 streams": (8, {}),
    "32 streams": (32, {}),
    "128 streams": (128, {}),
    "32, jitter": (32, {"sigma": 0.5}),
    "32, stalls": (32, {"stall_us": 500_000, "stall_after": 25}),
    "32, 4 tokens a piece": (32, {"per_piece": 4}),
    "32, reasoning first": (32, {"thoughts": 20}),
    "32, no role piece": (32, {"role": 0}),
}
FIGURES = ("ttft_ms", "e2e_ms", "gap_p50_ms", "gap_p99_ms", "tpot_ms", "tokens_per_s")


def built():
    program = Path(tempfile.gettempdir()) / f"stream_server_{os.getuid()}"
    subprocess.run(["gcc", "-O2", "-o", program, HERE / "stream_server.c", "-lm"], check=True)
    return program


class Server:
    """The server, with a log of its own for each client."""

    def __init__(self, program, core=None, **options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = Path(tempfile.mkstemp()[1])
        words = [f"{name}={value}" for name, value in {"port": self.port, "log": self.log, **options}.items()]
        before = [] if core is None else ["taskset", "-c", str(core)]
        self._process = subprocess.Popen([*before, program, *words], stdout=subprocess.PIPE)
        self._process.stdout.readline()
        self.url = f"http://127.0.0.1:{self.port}"

    def streams(self):
        """Arrival, instants of writing and due of each stream; the server ends, and `printed` has its last words."""
        self._process.send_signal(signal.SIGTERM)
        self.printed = self._process.communicate()[0].decode().split()
        log = np.fromfile(self.log, np.int64)
        self.log.unlink()
        found, at = [], 0
        while at < log.size:
            arrived, pieces = log[at : at + 2]
            written, due = log[at + 2 : at + 2 + 2 * pieces].reshape(2, pieces)
            found.append((arrived, written, due))
            at += 2 + 2 * pieces
        return found


def truth(streams, users, per_piece):
    """The figures by the log; tokens per second are those of `users` who never wait between responses.

    Streams of another length are those of the requests that a tool makes before its load.
    """
    most = max(written.size for _, written, _ in streams)
    streams = [each for each in streams if each[1].size == most]
    first = np.array([written[0] - arrived for arrived, written, _ in streams])
    whole = np.array([written[-1] - arrived for arrived, written, _ in streams])
    gaps = np.concatenate([np.diff(written) for _, written, _ in streams])
    tokens = np.array([written.size * per_piece for _, written, _ in streams])
    late = np.concatenate([written - due for _, written, due in streams])
    tpot = np.mean([(written[-1] - written[0]) / (written.size - 1) / per_piece for _, written, _ in streams])
    said = (np.median(first), np.median(whole), np.median(gaps), np.quantile(gaps, 0.99), tpot)
    true = dict(zip(FIGURES, (each / 1e6 for each in said), strict=False))
    return true | {
        "tokens_per_s": users * tokens.mean() / (whole.mean() / 1e9),
        "late_p99_ms": np.quantile(late, 0.99) / 1e6,
        "tokens": int(tokens.sum()),
    }


def called(words, **env):
    done = subprocess.run(words, env=os.environ | env, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode not in (0, 4, 5, 8):
        sys.stderr.write(f"{words[:3]}: {done.returncode}\n{done.stdout[-800:]}\n{done.stderr[-800:]}\n")
    return done.stdout


def ours(url, users, tokens, folder):
    words = ["--scenario", "agent", "--target", url, "--model", "m", "--turns", "1", "--output-tokens", str(tokens)]
    words += ["--concurrency", str(users), "--seconds", f"{SECONDS}s", "--warmup", "1.5s", "--out", str(folder)]
    said = json.loads(called([sys.executable, "-m", "harness", "run", *words, "--json"]))["result"]["points"][0]
    stream = said["stream"]
    return {
        "ttft_ms": quantile(stream["ttft"], 0.5),
        "e2e_ms": quantile(said["response"], 0.5),
        "gap_p50_ms": quantile(stream["itl"], 0.5),
        "gap_p99_ms": quantile(stream["itl"], 0.99),
        "tpot_ms": stream["tpot"]["mean_ms"],
        "tokens_per_s": stream["tokens_per_s"]["value"],
    }


def quantile(distribution, p):
    return next((each["value_ms"] for each in distribution["quantiles"] if each["p"] == p), None)


def guidellm(url, users, tokens, folder):
    path, data = folder / "guidellm.json", f"kind=synthetic_text,prompt_tokens=16,output_tokens={tokens}"
    words = ["--backend", f"kind=openai_http,target={url},model=m", "--profile", f"kind=concurrent,streams={users}"]
    words += ["--constraint", f"kind=max_duration,seconds={SECONDS:g}", "--data", data, "--disable-console"]
    words += ["--tokenizer", f"kind=hf_auto,model={PEERS / 'tokenizer'}", "--output", f"kind=json,path={path}"]
    called([PEERS / "guidellm/bin/guidellm", "run", *words], HF_HUB_OFFLINE="1")
    metrics = json.loads(path.read_text())["benchmarks"][0]["metrics"]
    good = {
        name: each["successful"] for name, each in metrics.items() if isinstance(each, dict) and "successful" in each
    }
    return {
        "ttft_ms": good["time_to_first_token_ms"]["median"],
        "e2e_ms": good["request_latency"]["median"] * 1000,
        "tpot_ms": good["inter_token_latency_ms"]["mean"],  # (last - first) / (n - 1); it has no gaps
        "tokens_per_s": good["output_tokens_per_second"]["mean"],
    }


def aiperf(url, users, tokens, folder):
    words = ["-m", "m", "--url", url, "--endpoint-type", "chat", "--streaming", "--concurrency", str(users)]
    words += ["--benchmark-duration", f"{SECONDS:g}", "--tokenizer", str(PEERS / "tokenizer"), "--ui", "none"]
    words += ["--synthetic-input-tokens-mean", "16", "--output-tokens-mean", str(tokens), "--output-tokens-stddev", "0"]
    called([PEERS / "aiperf/bin/aiperf", "profile", *words, "--artifact-dir", str(folder / "aiperf")])
    said = json.loads((folder / "aiperf/profile_export_aiperf.json").read_text())
    gaps = said.get("inter_chunk_latency", {})
    return {
        "ttft_ms": said["time_to_first_token"]["p50"],
        "e2e_ms": said["request_latency"]["p50"],
        "gap_p50_ms": gaps.get("p50"),
        "gap_p99_ms": gaps.get("p99"),
        "tpot_ms": said["inter_token_latency"]["avg"],
        "tokens_per_s": said["output_token_throughput"]["avg"],
    }


def vllm(url, users, tokens, folder):
    del folder
    words = [PEERS / "vllm", url, users, SECONDS, tokens]
    python = PEERS / "aiperf/bin/python"
    return json.loads(called([python, HERE / "peers/vllm_client.py", *map(str, words)]).splitlines()[-1])


TOOLS = {"ours": ours, "vllm": vllm, "aiperf": aiperf, "guidellm": guidellm}


def run(tool, program, users, options, core=None):
    """What the tool says, the truth, and its processor seconds."""
    server = Server(program, core, **options)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        try:
            said = TOOLS[tool](server.url, users, options["tokens"], Path(folder))
        except (OSError, ValueError, KeyError, IndexError, TypeError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"{tool}: {error!r}\n")
            said = {}
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    streams = server.streams()
    return said, truth(streams, users, options.get("per_piece", 1)), cpu_s


def difference(said, true, name):
    if said.get(name) is None:
        return "–"
    return f"{said[name] - true[name]:+.1f}"


def truth_table(program, tools):
    print("| case | client | TTFT p50 | E2E p50 | gap p50 | gap p99 | TPOT | tokens/s | server's lateness p99 |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    chosen = [word for word in os.environ.get("BENCH_CASES", "").split(",") if word]
    for case, (users, more) in CASES.items():
        if chosen and not any(word in case for word in chosen):
            continue
        options = PLAIN | more | ({"tokens": 52} if "per_piece" in more else {})
        for tool in tools:
            said, true, _ = run(tool, program, users, options)
            cells = [difference(said, true, name) for name in FIGURES[:-1]]
            share = f"{said['tokens_per_s'] / true['tokens_per_s']:.2f}" if said else "–"
            print(f"| {case} | {tool} | {' | '.join(cells)} | {share} | {true['late_p99_ms']:.2f} |", flush=True)


def cost_table(program, tools):
    print("| client | processor time per token |\n|---|--:|")
    for tool in tools:
        (_, few, least_s), (_, many, cpu_s) = (run(tool, program, users, PLAIN) for users in (1, 128))
        print(f"| {tool} | {1e6 * (cpu_s - least_s) / (many['tokens'] - few['tokens']):.1f} µs |", flush=True)


def rate_table(program, tools):
    print(
        "| client | offered tokens/s | gap p50 (true) | gap p99 (true) | server's lateness p99 |\n|---|--:|--:|--:|--:|"
    )
    for tool in tools:
        for gap_us in (10_000, 4_000, 2_500, 1_500, 1_000, 750, 600, 500):
            options = {"ttft_us": TTFT_US, "gap_us": gap_us, "tokens": 400, "role": 1}
            os.sched_setaffinity(0, {CORES[-1]})
            said, true, _ = run(tool, program, 128, options, core=CORES[0])
            os.sched_setaffinity(0, set(CORES))
            if not said.get("gap_p50_ms"):
                continue
            gaps = [f"{said[name]:.2f} ({true[name]:.2f})" for name in ("gap_p50_ms", "gap_p99_ms")]
            print(f"| {tool} | {128e6 / gap_us:,.0f} | {' | '.join(gaps)} | {true['late_p99_ms']:.2f} |", flush=True)
            if abs(said["gap_p50_ms"] / true["gap_p50_ms"] - 1) > 0.1:
                break


def parts_of(streams, folder):
    """How long each step of a request took in ns, by our rows and the server's log, in the order of sending.

    The steps of the first piece add up to what our TTFT has besides the server's; the last is of all pieces.
    """
    trial = next(folder.glob("trials/*"))
    tokens = pq.read_table(trial / "tokens.parquet", columns=["request", "instants_ns"]).to_pylist()
    read = {each["request"]: each["instants_ns"] for each in tokens}
    rows = pq.read_table(trial / "requests.parquet", columns=["sent_ns", "due_ns", "request", "phase"]).to_pylist()
    rows = sorted((each for each in rows if each["request"] in read), key=lambda each: each["sent_ns"])
    steps = {"due to sent": [], "sent to arrived": [], "first piece written to read": [], "piece written to read": []}
    for row, (arrived, written, _) in zip(rows, sorted(streams, key=lambda each: each[0]), strict=True):
        if row["phase"] == "measure":
            waits = np.array(read[row["request"]]) - written
            ends = (row["sent_ns"] - row["due_ns"], arrived - row["sent_ns"], waits[0])
            for step, values in zip(steps.values(), (*([each] for each in ends), waits), strict=True):
                step.extend(values)
    return steps


def parts_table(program, tools):
    del tools
    print("| case | step | p50 | p90 | p99 | longest |\n|---|---|--:|--:|--:|--:|")
    for case in ("32 streams", "32, 4 tokens a piece", "32, no role piece"):
        users, more = CASES[case]
        options = PLAIN | more | ({"tokens": 52} if "per_piece" in more else {})
        server = Server(program, **options)
        with tempfile.TemporaryDirectory() as folder:
            ours(server.url, users, options["tokens"], Path(folder) / "run")
            whole = -(-options["tokens"] // options.get("per_piece", 1))
            streams = [each for each in server.streams() if each[1].size == whole]
            for step, values in parts_of(streams, Path(folder) / "run").items():
                cells = [f"{each / 1e6:.2f}" for each in np.quantile(values, (0.5, 0.9, 0.99, 1))]
                print(f"| {case} | {step} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    table = {"truth": truth_table, "cost": cost_table, "rate": rate_table, "parts": parts_table}[sys.argv[1]]
    table(built(), sys.argv[2:] or list(TOOLS))
