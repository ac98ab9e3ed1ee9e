"""What servers of language models say of themselves, in the names of their versions; what is unknown is absent."""

import contextlib

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from http_service import served_by, texts_at

from harness.clock import NS_PER_S, monotonic_ns
from harness.judge.numbers.server_figures import gauges_over_time, server_figures, with_counted_waiting
from harness.judge.numbers.trial_rows import RowColumns
from harness.measure.target.statistics_reader import (
    find_statistics_reader,
    find_statistics_readers,
    recorded_statistics,
)
from harness.record.rows import Window
from harness.record.server.statistics import CounterReading, ServerStatistics, read_statistics

NEW_VLLM = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} 3
vllm:num_requests_running{{engine="1",model_name="m"}} 4
vllm:num_requests_waiting{{engine="0",model_name="m"}} 2
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} 0.25
vllm:kv_cache_usage_perc{{engine="1",model_name="m"}} 0.75
# TYPE vllm:num_preemptions counter
vllm:num_preemptions_total{{engine="0",model_name="m"}} {n}
# TYPE vllm:prefix_cache_queries counter
vllm:prefix_cache_queries_total{{model_name="m"}} {tokens}
# TYPE vllm:prefix_cache_hits counter
vllm:prefix_cache_hits_total{{model_name="m"}} {hits}
"""
OLD_VLLM = """
vllm:num_requests_running{{model_name="m"}} 7
vllm:num_requests_waiting{{model_name="m"}} 2
vllm:gpu_cache_usage_perc{{model_name="m"}} 0.75
vllm:num_preemptions_total{{model_name="m"}} {n}
vllm:gpu_prefix_cache_queries_total{{model_name="m"}} {tokens}
vllm:gpu_prefix_cache_hits_total{{model_name="m"}} {hits}
"""
SGLANG = """
sglang:num_running_reqs{{model_name="m"}} 7
sglang:num_queue_reqs{{model_name="m"}} 2
sglang:token_usage{{model_name="m"}} 0.75
sglang:num_retracted_reqs{{model_name="m"}} 3
sglang:num_retracted_requests_total{{model_name="m"}} {n}
sglang:prompt_tokens_total{{model_name="m"}} {tokens}
sglang:cached_tokens_total{{model_name="m"}} {hits}
"""
OLD_SGLANG = SGLANG.replace("sglang:num_retracted_requests_total", "sglang:of_another_kind")
TGI = """
# TYPE tgi_queue_size gauge
tgi_queue_size 2
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 7
"""
LLAMACPP = """
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total {fresh}
llamacpp:prompt_tokens_cached_total {hits}
llamacpp:requests_processing 7
llamacpp:requests_deferred 2
"""
OLD_LLAMACPP = """
llamacpp:prompt_tokens_total {tokens}
llamacpp:kv_cache_usage_ratio 0.75
llamacpp:requests_processing 7
llamacpp:requests_deferred 2
"""
COMPLETE = {"running": 7, "waiting": 2, "kv_cache": 0.75, "preemptions": 5, "prefix_hits": 0.4, "accepted": None}
BARE = COMPLETE | {"preemptions": None, "prefix_hits": None, "kv_cache": None}


@pytest.fixture
def metrics_of():
    with contextlib.ExitStack() as servers:

        def start(answers):
            return servers.enter_context(served_by(texts_at(answers))) + "/v1"

        yield start


@pytest.mark.process
@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        ("vLLM's metrics", NEW_VLLM, COMPLETE),
        ("vLLM's metrics", OLD_VLLM, COMPLETE),
        ("SGLang's metrics", SGLANG, COMPLETE),
        ("SGLang's metrics", OLD_SGLANG, COMPLETE | {"preemptions": None}),
        ("TGI's metrics", TGI, BARE),
        ("llama.cpp's metrics", LLAMACPP, BARE | {"prefix_hits": 0.4}),
        ("llama.cpp's metrics", OLD_LLAMACPP, BARE | {"kv_cache": 0.75}),
    ],
    ids=["vllm 2026", "vllm 2024", "sglang 2026", "sglang 2025", "tgi", "llama.cpp 2026", "llama.cpp 2024"],
)
def test_every_version_of_a_server_is_understood(metrics_of, tmp_path, source, text, said):
    answer = {"/metrics": text.format(n=10, tokens=1000, hits=500, fresh=500)}
    reader = find_statistics_reader(metrics_of(answer), "m")  # a base URL: its metrics are beside /v1
    start_ns = monotonic_ns()
    with recorded_statistics(reader, tmp_path):
        # 5 preemptions; 200 of 500 tokens, 300 of them computed, in the trial
        answer["/metrics"] = text.format(n=15, tokens=1500, hits=700, fresh=800)
    words = server_figures(read_statistics(tmp_path), Window(start_ns, monotonic_ns() + 1))
    assert words.source == source
    assert {name: getattr(words, name) for name in said} == pytest.approx(said)


@pytest.mark.process
def test_two_servers_that_share_the_load_speak_as_one(metrics_of, tmp_path):
    answers = [{"/metrics": SGLANG.format(n=10, tokens=1000, hits=500)} for _ in range(2)]
    reader = find_statistics_readers([metrics_of(answer) for answer in answers], "m")
    start_ns = monotonic_ns()
    with recorded_statistics(reader, tmp_path):
        answers[0]["/metrics"] = SGLANG.format(n=15, tokens=1500, hits=700)  # 5 preemptions; 200 of 500 tokens
        answers[1]["/metrics"] = SGLANG.format(n=11, tokens=1300, hits=500)  # 1; none of 300
    words = server_figures(read_statistics(tmp_path), Window(start_ns, monotonic_ns() + 1))
    assert (words.running, words.waiting, words.kv_cache, words.preemptions) == (14, 4, 0.75, 6)
    assert words.prefix_hits == 200 / 800


@pytest.mark.process
@pytest.mark.parametrize("second", [{}, {"/metrics": TGI}], ids=["none", "another kind"])
def test_a_second_server_without_such_statistics_leaves_what_all_do_unknown(metrics_of, second):
    first = {"/metrics": SGLANG.format(n=10, tokens=1000, hits=500)}
    assert find_statistics_readers([metrics_of(first), metrics_of(second)], "m") is None
    assert find_statistics_readers([metrics_of(first)], "m").family.name == "SGLang's metrics"


def reading(at_s, gauges=None, **counters):
    return CounterReading(at_ns=at_s * NS_PER_S, counters=counters, gauges=gauges or {})


def of(*readings):
    return ServerStatistics(family="vLLM's metrics", url="http://x", readings=readings)


def test_gauges_are_means_over_the_window_only():
    readings = [reading(at_s, {"running": at_s}) for at_s in range(10)]
    words = server_figures(of(*readings), Window(2 * NS_PER_S, 5 * NS_PER_S))
    assert (words.running, words.waiting, words.preemptions) == (3.0, None, None)  # 2, 3, 4


def test_over_time_a_bin_without_a_reading_is_empty():
    found = gauges_over_time(of(reading(0, {"waiting": 4}), reading(2, {"waiting": 6})), np.arange(4) * NS_PER_S)
    assert found == {"waiting": (4.0, None, 6.0)}
    assert gauges_over_time(None, np.arange(4)) == {}


def test_a_server_that_was_started_again_has_counted_nothing():
    window = Window(0, 10 * NS_PER_S)
    fallen = of(reading(1, **{"vllm:num_preemptions": 9.0}), reading(9, **{"vllm:num_preemptions": 2.0}))
    assert server_figures(fallen, window) is None
    assert server_figures(None, window) is None


def test_where_the_gauge_is_late_open_requests_less_running_ones_wait():
    gauges = {"running": 4.0, "waiting": 1.0}  # llama.cpp while it reads the prompts of a batch
    readings = [reading(at_s, gauges) for at_s in (1, 3)] + [reading(5, {"running": 4.0}), reading(7, {"waiting": 9.0})]
    statistics = msgspec.structs.replace(of(*readings), family="llama.cpp's metrics")
    # 8 users send again as soon as they are answered; the last two requests of the load have not ended.
    sent_ns = [0] * 8 + [4 * NS_PER_S] * 5 + [-1]
    done_ns = [4 * NS_PER_S] * 8 + [6 * NS_PER_S] * 3 + [-1] * 3
    rows = RowColumns(pa.table({"sent_ns": sent_ns, "done_ns": done_ns}))
    counted = with_counted_waiting(statistics, rows)
    assert [each.gauges for each in counted.readings] == [
        *[{"running": 4.0, "open_waiting": 4.0}] * 2,
        {"running": 4.0, "open_waiting": 1.0},
        {},
    ]
    figures = server_figures(counted, Window(0, 10 * NS_PER_S))
    assert (figures.running, figures.waiting, figures.open_waiting) == (4.0, None, 3.0)


def test_where_the_gauge_is_true_it_stays():
    statistics = of(reading(1, {"running": 4.0, "waiting": 1.0}))
    rows = RowColumns(pa.table({"sent_ns": [0] * 8, "done_ns": [9 * NS_PER_S] * 8}))
    assert with_counted_waiting(statistics, rows) is statistics
    assert with_counted_waiting(None, rows) is None
