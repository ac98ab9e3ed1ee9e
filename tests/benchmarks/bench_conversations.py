"""Users who leave in the middle of a response, and traces that are replayed; the truth is what the servers count.

    python -m tests.benchmarks.bench_conversations leave     # 2 min
    python -m tests.benchmarks.bench_conversations replay    # 10 min; BENCH_SECONDS=60: of a shorter trace
    python -m tests.benchmarks.bench_conversations memory    # 100,000 lines, 5 min; BENCH_SECONDS=60: 20,000

*leave*: 10 % of 32 users leave, with 16 slots and with 32: what was sent, what the server saw, the TTFT of the others.
*replay*: a trace in Mooncake's form, with sessions whose prompts grow: lateness, and the share of the prompts' tokens
that the server had seen at the beginning of an earlier prompt, beside that of the trace's own `hash_ids`. *memory*:
that of the load process over a long trace.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.plan.request_lengths import BLOCK_TOKENS
from harness.wire.server_url import free_ports
from tests.benchmarks.bench_stream_clients import Server, built, called, quantile

NS_PER_MS = 1e6
TTFT_US, GAP_US, TOKENS, USERS = 50_000, 5_000, 60, 32


def measured(url, folder, *words):
    """The point of a run, and its trial's folder."""
    command = [sys.executable, "-m", "harness", "run", "--scenario", "agent", "--target", url, "--model", "m"]
    said = json.loads(called([*command, "--turns", "1", "--out", str(folder), "--json", *words]))
    return said["result"]["points"][0], next(Path(folder).glob("trials/*"))


def count_of(rows, outcome):
    """How many requests ended so."""
    return pc.sum(pc.equal(pc.cast(rows["outcome"], "string"), outcome)).as_py() or 0


def leave_table():
    program, seconds = built(), os.environ.get("BENCH_SECONDS", "12")
    print("| slots | leave | sent = good + left + other | the server: whole, left, slots held after the end | ", end="")
    print("TTFT of the others p50, p99 | by the server's log |\n|--:|--:|--:|--:|--:|--:|")
    for slots in (USERS // 2, USERS):
        for share in ("0", "0.1", "0", "0.1"):
            server = Server(program, ttft_us=TTFT_US, gap_us=GAP_US, tokens=TOKENS, role=1, slots=slots)
            with tempfile.TemporaryDirectory() as folder:
                words = ["--concurrency", str(USERS), "--seconds", f"{seconds}s", "--warmup", "2s"]
                words += ["--output-tokens", str(TOKENS), "--hang-up", share]
                point, trial = measured(server.url, Path(folder) / "run", *words)
                rows = pq.read_table(trial / "requests.parquet", columns=["outcome"])
                good, left = count_of(rows, "ok"), count_of(rows, "cancelled")
            log, printed = server.streams(), server.printed
            first = [(written[0] - arrived) / NS_PER_MS for arrived, written, _ in log if written.size == TOKENS]
            said = [quantile(point["stream"]["ttft"], p) for p in (0.5, 0.99)]
            true = np.quantile(first, (0.5, 0.99))
            sent = f"{len(rows)} = {good} + {left} ({left / len(rows):.1%}) + {len(rows) - good - left}"
            ttft = ", ".join("–" if each is None else f"{each:.1f}" for each in said)
            print(f"| {slots} | {share} | {sent} | {printed} | {ttft} | {true[0]:.1f}, {true[1]:.1f} |", flush=True)


def make_trace(path, count, per_s, blocks):
    """Writes a trace of sessions that share a block and grow. Returns its tokens, and the share seen before."""
    rng = np.random.default_rng(7)
    sessions, seen, tokens, shared = [], set(), 0, 0
    with path.open("w") as file:
        for number, at_ms in enumerate(np.cumsum(rng.exponential(1000 / per_s, count))):
            if not sessions or rng.random() < 0.3:
                sessions.append([0])
            whole = sessions[rng.integers(len(sessions))]
            ids, rest = [*whole, f"1{number}"], int(rng.integers(64, BLOCK_TOKENS))  # the last block is a part of one
            size = len(whole) * BLOCK_TOKENS + rest
            beginnings = [tuple(whole[:end]) for end in range(1, len(whole) + 1)]
            tokens, shared = tokens + size, shared + BLOCK_TOKENS * sum(each in seen for each in beginnings)
            seen.update(beginnings)
            if len(whole) < blocks:
                whole.append(f"2{number}")
            line = {"timestamp": round(at_ms, 3), "input_length": size if blocks else rest, "output_length": 8}
            file.write(json.dumps(line | ({"hash_ids": ids} if blocks else {})) + "\n")
    return tokens, shared / tokens


def replayed(url, folder, trace):
    """The rows and the folder of a run that replays a trace."""
    words = ["--arrivals", "replay", "--trace", str(trace), "--lengths", str(trace), "--warmup", "0s"]
    _, trial = measured(url, folder / "run", *words, "--slo", "none")
    rows = pq.read_table(trial / "requests.parquet")
    late_ms = pc.subtract(rows["sent_ns"], rows["due_ns"]).drop_null().to_numpy() / NS_PER_MS
    return rows, trial, ", ".join(f"{each:.2f}" for each in np.quantile(late_ms, (0.5, 0.99, 1)))


def replay_table():
    count = round(4 * float(os.environ.get("BENCH_SECONDS", "600")))
    (port,) = free_ports(1)
    served = subprocess.Popen(
        [sys.executable, "-m", "tests.examples.prefix_cache_server", str(port)], env=os.environ | {"TOKEN_US": "20"}
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.jsonl"
            tokens, share = make_trace(trace, count, 4, 12)
            while not answers(port):
                time.sleep(0.05)
            rows, _, late_ms = replayed(f"http://127.0.0.1:{port}", Path(folder), trace)
    finally:
        served.terminate()
        served.wait()
    sent, cached = pc.sum(rows["prompt_tokens"]).as_py(), pc.sum(rows["cached_tokens"]).as_py()
    print("| requests of the trace, good | tokens of the trace, sent | shared, of the trace, by the server |", end="")
    print(" late p50, p99, most (ms) |\n|--:|--:|--:|--:|")
    print(f"| {count}, {count_of(rows, 'ok')} | {tokens}, {sent} | {share:.1%}, {cached / sent:.1%} | {late_ms} |")


def answers(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def memory_table():
    count = round(100_000 * float(os.environ.get("BENCH_SECONDS", "300")) / 300)
    server = Server(built(), ttft_us=1000, gap_us=1000, tokens=8)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.jsonl"
        make_trace(trace, count, 100_000 / 300, 0)
        rows, trial, late_ms = replayed(server.url, Path(folder), trace)
        samples = pq.read_table(next(trial.glob("samples.*")))
    server.streams()
    chosen = pc.and_(
        *(
            pc.equal(pc.cast(samples[name], "string"), word)
            for name, word in (("source", "load"), ("metric", "rss_bytes"))
        )
    )
    mb = samples.filter(chosen)["value"].to_numpy() / 1e6
    mb = mb[mb > 0]  # the last reading may be of a process that has ended
    print("| lines, sent, good | MB of the load process at 5, 25, 50, 100 % of the time | late p50, p99, most (ms) |")
    print("|--:|--:|--:|")
    sizes = ", ".join(f"{mb[int(part * (mb.size - 1))]:.0f}" for part in (0.05, 0.25, 0.5, 1))
    print(f"| {count}, {len(rows)}, {count_of(rows, 'ok')} | {sizes} | {late_ms} |")


if __name__ == "__main__":
    {"leave": leave_table, "replay": replay_table, "memory": memory_table}[sys.argv[1]]()
