"""What overload leaves of the batched server: good answers at 1 000 wrk connections against its best throughput.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_overload.py

The server is on one core, wrk on another. wrk comes back at once after every 503 and never honours Retry-After: the
worst client there is. Best throughput is measured on the same process with 128 connections, in turns with the flood.
The flood's queue holds `QUEUE_LIMIT` rows, so that most of the crowd is refused. What accepted requests waited is read
from the server's histogram.
"""

import re
import statistics
import urllib.request

from tests.benchmarks.served import REPEATS, SECONDS, ours, wrk

QUEUE_LIMIT = 128
BATCH_SIZE = 64
CROWD = 1000


def waits(running):
    """{upper bound in seconds: requests that waited at most so long}, and requests by outcome, until now."""
    url = running.url.partition("/v2/")[0] + "/metrics"
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    bounds = re.findall(r'queue_duration_seconds_bucket{le="([^"]+)"} (\S+)', text)
    return {float(bound): float(count) for bound, count in bounds}


def quantile(before, after, share):
    """The bucket bound, in ms, below which `share` of the requests between two scrapes lie."""
    total = after[float("inf")] - before[float("inf")]
    return next(bound for bound in after if after[bound] - before[bound] >= share * total) * 1e3


def flood(model, tmp_path):
    knobs = {"batch_size": BATCH_SIZE, "queue_limit": QUEUE_LIMIT, "intra_op_threads": 1, "inter_op_threads": 1}
    best, crowd, bounds_ms = [], [], []
    with ours("batched", model, **knobs) as running:
        wrk(running, 128, tmp_path, 1)
        rss_mb = []
        for _ in range(REPEATS):
            best.append(wrk(running, 128, tmp_path))
            before = waits(running)
            crowd.append(wrk(running, CROWD, tmp_path))
            bounds_ms.append(quantile(before, waits(running), 0.99))
            rss_mb.append(running.rss_mb())
    ratio = statistics.median(one.good_rps / two.good_rps for one, two in zip(crowd, best, strict=True))
    best_rps = statistics.median(one.good_rps for one in best)
    print(
        f"\n| {model} | best {best_rps:,.0f}/s | at {CROWD} connections {ratio:.0%} of it in good answers, "
        f"{statistics.median(one.other_rps for one in crowd):,.0f}/s refused | "
        f"p99 of the queue wait <= {statistics.median(bounds_ms):g} ms "
        f"(limit x service time {QUEUE_LIMIT / best_rps * 1e3:.1f} ms) | "
        f"RSS {rss_mb[0]:.0f} to {rss_mb[-1]:.0f} MB | {SECONDS:g} s, medians of {REPEATS} |"
    )
    return ratio


def test_a_crowd_leaves_the_fast_model_its_throughput(tmp_path):
    assert flood("digits-mlp", tmp_path) > 0.5


def test_a_crowd_leaves_the_slow_model_its_throughput(tmp_path):
    assert flood("wide-mlp", tmp_path) > 0.5
