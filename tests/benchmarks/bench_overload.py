"""What overload leaves of the batched server: good answers at four times its capacity and more.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_overload.py

The server is on one core, the client on another. By wrk with 1 000 connections, which comes back at once after every
503 and never honours Retry-After: the worst client there is. And by this project's own open loop, which sends four
times the best throughput whatever the answers are. Best throughput is measured on the same process with 128
connections, in turns with the overload. The queue holds `QUEUE_LIMIT` rows, so that most of the crowd is refused. What
accepted requests waited is read from the server's histogram; they should wait no longer than the rows before them
take, those of the queue and those of the batch under way.

A server refuses at once up to some thousands a second (`targets/servers/http/refusals.py`), and paces itself beyond.
`deep-mlp` one at a time is so slow that four times its throughput is below that; four times that of the wide MLP is far
beyond, so that requests in flight reach the load's limit, and the rest is not sent.
"""

import json
import re
import statistics
import subprocess
import sys
import urllib.request

import numpy as np
import pyarrow.compute as pc
import pytest

from harness.record.recorder import read_rows
from harness.record.rows import Outcome
from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, wrk

QUEUE_LIMIT = 128
BATCH_SIZE = 64
CROWD = 1000
TIMES = 4
KNOBS = {"queue_limit": QUEUE_LIMIT, "intra_op_threads": 1, "inter_op_threads": 1}
BATCH_SIZES = {"deep-mlp": 1}
GROWTH_MB = 20  # of the server's memory from the first overload to the last


def waits(running):
    """{upper bound in seconds: requests that waited at most so long}, until now."""
    url = running.url.partition("/v2/")[0] + "/metrics"
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    bounds = re.findall(r'queue_duration_seconds_bucket{le="([^"]+)"} (\S+)', text)
    return {float(bound): float(count) for bound, count in bounds}


def quantile(before, after, share):
    """The bucket bound, in ms, below which `share` of the requests between two scrapes lie."""
    total = after[float("inf")] - before[float("inf")]
    return next(bound for bound in after if after[bound] - before[bound] >= share * total) * 1e3


def crowd(running, folder, best_rps):
    """(good/s, refused/s, text) of wrk with many connections."""
    del best_rps
    load = wrk(running, CROWD, folder)
    return load.good_rps, load.other_rps, load.socket_errors


def open_loop(running, folder, best_rps):
    """(good/s, refused/s, text) of our own arrivals at a constant rate."""
    base, _, rest = running.url.partition("/v2/models/")
    out = folder / f"run-{len(list(folder.glob('run-*')))}"
    argv = ["taskset", "-c", str(CORES[-1]), sys.executable, "-m", "harness", "run", "--target", base, "--json"]
    argv += ["--model", rest.partition("/")[0], "--no-isolate", "--arrivals", "constant", "--check", "sample"]
    argv += ["--rate", f"{TIMES * best_rps:.0f}", "--seconds", f"{SECONDS:g}s", "--out", str(out)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    (point,) = json.loads(done.stdout)["result"]["points"]
    counts, seconds = point["counts"], point["seconds"]
    p99 = next(one for one in point["response"]["quantiles"] if one["p"] == 0.99)
    refused_ms = refusals_ms(out)
    others = {name: counts[name] for name in ("wrong", "error", "timeout", "aborted", "not_sent") if counts[name]}
    text = (
        f"sent {counts['sent'] / seconds:,.0f}/s, p99 of good answers {p99['value_ms']} ms, refusals after {refused_ms}"
    )
    text += f", {others or 'no others'}"
    return counts["ok"] / seconds, counts["rejected"] / seconds, text


def refusals_ms(out):
    """From due to refused: the median and the 99th percentile."""
    (rows,) = (read_rows(path) for path in out.glob("trials/*/requests.parquet"))
    refused = rows.filter(pc.equal(rows.column("outcome"), int(Outcome.REJECTED)))
    waited_ms = np.subtract(refused.column("done_ns").to_numpy(), refused.column("due_ns").to_numpy()) / 1e6
    p50, p99 = np.quantile(waited_ms, [0.5, 0.99], method="inverted_cdf")
    return f"{p50:.2f} ms (p99 {p99:.2f} ms)"


def overload(model, load, folder):
    best, good, refused, bounds_ms, rss_mb, texts = [], [], [], [], [], []
    batch_size = BATCH_SIZES.get(model, BATCH_SIZE)
    with ours("batched", model, batch_size=batch_size, **KNOBS) as running:
        wrk(running, 128, folder, 1)
        for _ in range(REPEATS):
            best.append(wrk(running, 128, folder).good_rps)
            before = waits(running)
            good_rps, refused_rps, text = load(running, folder, best[-1])
            good.append(good_rps)
            refused.append(refused_rps)
            bounds_ms.append(quantile(before, waits(running), 0.99))
            rss_mb.append(running.rss_mb())
            texts.append(text)
    ratio = statistics.median(one / two for one, two in zip(good, best, strict=True))
    best_rps = statistics.median(best)
    print(
        f"\n| {model}, {load.__name__} | best {best_rps:,.0f}/s | overloaded {ratio:.0%} of it in good answers, "
        f"{statistics.median(refused):,.0f}/s refused | p99 of the queue wait <= {statistics.median(bounds_ms):g} ms "
        f"(queue and batch take {(QUEUE_LIMIT + batch_size) / best_rps * 1e3:.1f} ms) | "
        f"RSS {rss_mb[0]:.0f} to {rss_mb[-1]:.0f} MB | {SECONDS:g} s, medians of {REPEATS} | {texts[-1]} |"
    )
    assert rss_mb[-1] - rss_mb[0] < GROWTH_MB
    return ratio


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("model", "load"),
    [("digits-mlp", crowd), ("wide-mlp", crowd), ("wide-mlp", open_loop), ("deep-mlp", open_loop)],
    ids=str,
)
def test_overload_leaves_the_throughput(tmp_path, model, load):
    assert overload(model, load, tmp_path) > 0.5
