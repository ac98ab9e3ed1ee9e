"""Statistics of servers that are not ours: texts as they write them, means worked out by hand."""

import contextlib
import json

import numpy as np
import pytest
from evidence_of import MS, START, S, evidence_of, rows_of, summarise_point
from http_service import served_by, texts_at

from harness.clock import monotonic_ns
from harness.judge.numbers.time_split import means_of
from harness.measure.target.statistics_reader import find_statistics_reader, recorded_statistics
from harness.plan.arrivals import Closed
from harness.plan.plan import Point
from harness.record.rows import Window
from harness.record.server.statistics import CounterReading, ServerStatistics, read_statistics

TRITON = """
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="m",version="1"}} {n}
nv_inference_request_success{{model="other",version="1"}} 999
nv_inference_count{{model="m",version="1"}} {n}
nv_inference_exec_count{{model="m",version="1"}} {batches}
nv_inference_queue_duration_us{{model="m",version="1"}} {queue_us}
nv_inference_compute_input_duration_us{{model="m",version="1"}} 0
nv_inference_compute_infer_duration_us{{model="m",version="1"}} {compute_us}
nv_inference_compute_output_duration_us{{model="m",version="1"}} 0
"""
VLLM = """
# TYPE vllm:request_queue_time_seconds histogram
vllm:request_queue_time_seconds_bucket{{le="+Inf",model_name="m"}} {n}
vllm:request_queue_time_seconds_sum{{model_name="m"}} {queue_s}
vllm:request_queue_time_seconds_count{{model_name="m"}} {n}
vllm:request_prefill_time_seconds_sum{{model_name="m"}} {prefill_s}
vllm:request_prefill_time_seconds_count{{model_name="m"}} {n}
vllm:request_decode_time_seconds_sum{{model_name="m"}} {decode_s}
vllm:request_decode_time_seconds_count{{model_name="m"}} {n}
"""
TFS = """
# TYPE :tensorflow:serving:runtime_latency histogram
:tensorflow:serving:runtime_latency_sum{{model_name="m",API="Predict",runtime="TF1"}} {compute_us}
:tensorflow:serving:runtime_latency_count{{model_name="m",API="Predict",runtime="TF1"}} {n}
"""
MOSEC = """
# TYPE mosec_service_process_duration_second histogram
mosec_service_process_duration_second_sum{{stage="Model_1",connection="1"}} {compute_s}
mosec_service_process_duration_second_count{{stage="Model_1",connection="1"}} {batches}
mosec_service_process_duration_second_sum{{stage="total",connection="total"}} 100
mosec_service_process_duration_second_count{{stage="total",connection="total"}} {n}
mosec_service_batch_size_sum{{stage="Model_1",connection="1"}} {n}
mosec_service_batch_size_count{{stage="Model_1",connection="1"}} {batches}
mosec_service_batch_duration_second_sum{{stage="Model_1",connection="1"}} {wait_s}
mosec_service_batch_duration_second_count{{stage="Model_1",connection="1"}} {batches}
"""


@pytest.fixture
def server_of():
    with contextlib.ExitStack() as servers:

        def start(answers):
            """`answers`: text by path; changing the dict changes what is answered."""
            return servers.enter_context(served_by(texts_at(answers)))

        yield start


def measured(server_of, folder, path, before, after):
    answers = {path: before}
    reader = find_statistics_reader(server_of(answers), "m")
    start_ns = monotonic_ns()
    with recorded_statistics(reader, folder):
        answers[path] = after
    return means_of(read_statistics(folder), Window(start_ns, monotonic_ns()))


@pytest.mark.process
def test_tritons_metrics_of_our_model_and_of_this_trial_only(server_of, tmp_path):
    before = TRITON.format(n=100, batches=50, queue_us=1e6, compute_us=2e6)
    after = TRITON.format(n=300, batches=100, queue_us=1.4e6, compute_us=2.2e6)
    found = measured(server_of, tmp_path, "/metrics", before, after)
    # 0.4 s over 200 requests, 0.2 s over 200 requests, 200 requests in 50 batches
    assert found.source == "Triton's metrics"
    assert found.parts_ms == pytest.approx({"queue": 2.0, "preprocess": 0.0, "compute": 1.0, "serialise": 0.0})
    assert found.mean_batch == 4


@pytest.mark.process
def test_tritons_own_document_is_preferred(server_of, tmp_path):
    def document(n, batches, queue_ns, infer_ns):
        durations = {name: {"count": n, "ns": 0} for name in ("success", "compute_input", "compute_output")}
        durations |= {"queue": {"count": n, "ns": queue_ns}, "compute_infer": {"count": n, "ns": infer_ns}}
        return json.dumps({"model_stats": [
            {"name": "m", "inference_count": n, "execution_count": batches, "inference_stats": durations}
        ]})  # fmt: skip

    found = measured(
        server_of, tmp_path, "/v2/models/m/stats", document(10, 10, 0, 0), document(30, 15, 40_000_000, 10_000_000)
    )
    assert found.source == "Triton's statistics"
    assert (found.parts_ms["queue"], found.parts_ms["compute"], found.mean_batch) == (2.0, 0.5, 4.0)


@pytest.mark.process
def test_vllm(server_of, tmp_path):
    before = VLLM.format(n=0, queue_s=0, prefill_s=0, decode_s=0)
    after = VLLM.format(n=10, queue_s=0.5, prefill_s=1, decode_s=20)
    found = measured(server_of, tmp_path, "/metrics", before, after)
    assert found.parts_ms == pytest.approx({"queue": 50, "preprocess": 100, "compute": 2000})


@pytest.mark.process
def test_tensorflow_serving(server_of, tmp_path):
    path = "/monitoring/prometheus/metrics"
    found = measured(server_of, tmp_path, path, TFS.format(n=0, compute_us=0), TFS.format(n=4, compute_us=10_000))
    assert (found.source, found.parts_ms) == ("TensorFlow Serving's metrics", {"compute": 2.5})


@pytest.mark.process
def test_mosecs_total_is_no_stage(server_of, tmp_path):
    before = MOSEC.format(n=0, batches=0, compute_s=0, wait_s=0)
    after = MOSEC.format(n=80, batches=20, compute_s=0.1, wait_s=0.04)
    found = measured(server_of, tmp_path, "/metrics", before, after)
    assert found.parts_ms == pytest.approx({"batch_wait": 2.0, "compute": 5.0})
    assert found.mean_batch == 4


@pytest.mark.process
def test_a_server_started_again_in_between_says_nothing(server_of, tmp_path):
    before = TRITON.format(n=300, batches=100, queue_us=1.4e6, compute_us=2.2e6)
    after = TRITON.format(n=100, batches=50, queue_us=1e6, compute_us=2e6)
    assert measured(server_of, tmp_path, "/metrics", before, after) is None


def test_a_server_started_again_between_two_readings_says_nothing_however_far_it_came_since():
    at_s = {0.0: queued(50, 100), 3.0: queued(60, 120), 6.0: queued(5, 10), 10.0: queued(90, 200)}
    assert means_of(statistics_at(at_s), Window(START, START + 10 * S)) is None


@pytest.mark.process
@pytest.mark.parametrize("text", ["", "# TYPE up gauge\nup 1\n", "}{ no metrics", "<html></html>"])
def test_where_there_is_nothing_known_nothing_is_read(server_of, tmp_path, text):
    reader = find_statistics_reader(server_of({"/metrics": text}), "m")
    assert reader is None
    with recorded_statistics(reader, tmp_path):
        pass
    assert read_statistics(tmp_path) is None


@pytest.mark.process
def test_a_server_that_stops_answering_leaves_no_half_reading(server_of, tmp_path):
    answers = {"/metrics": VLLM.format(n=0, queue_s=0, prefill_s=0, decode_s=0)}
    with recorded_statistics(find_statistics_reader(server_of(answers), "m"), tmp_path):
        answers.clear()
    assert read_statistics(tmp_path) is None


def point_with(statistics, **columns):
    rows = rows_of(START + np.arange(900) * 10 * MS, 8 * MS, **columns)
    point = Point(number=0, setting={}, arrivals=Closed(users=1))
    return summarise_point(point, [evidence_of(rows, statistics=statistics)], None)


def said(queue_ms, compute_ms):
    after = {
        "nv_inference_request_success": 100.0,
        "nv_inference_queue_duration_us": 1e5 * queue_ms,
        "nv_inference_compute_infer_duration_us": 1e5 * compute_ms,
    }
    return statistics_at({0.0: dict.fromkeys(after, 0.0), 10.0: after})


def statistics_at(counters_at_s):
    readings = [CounterReading(at_ns=START + round(t_s * S), counters=each) for t_s, each in counters_at_s.items()]
    return ServerStatistics(family="Triton's metrics", url="", readings=tuple(readings))


def queued(n, total_ms):
    return {"nv_inference_request_success": float(n), "nv_inference_queue_duration_us": 1e3 * total_ms}


def test_the_warm_up_is_not_in_the_means():
    # 10 requests waited 100 ms each in the warm-up, 80 of 2 ms in the window's readings, 10 of 50 ms in the drain
    at_s = {
        -1.0: queued(0, 0),
        0.5: queued(10, 1000),
        5.0: queued(50, 1080),
        9.5: queued(90, 1160),
        11: queued(100, 1660),
    }
    assert point_with(statistics_at(at_s)).split.queue_ms == pytest.approx(2)


def test_a_window_without_readings_is_what_those_around_it_say():
    window = Window(START + 4 * S, START + 5 * S)
    at_s = {-1.0: queued(0, 0), 3.0: queued(10, 500), 4.5: queued(20, 600), 6.0: queued(30, 700), 9.0: queued(40, 5000)}
    assert means_of(statistics_at(at_s), window).parts_ms == pytest.approx({"queue": 10})  # 200 ms over 20 requests
    before_all = Window(START - 9 * S, START - 8 * S)
    assert means_of(statistics_at(at_s), before_all).parts_ms == {}  # the first reading alone


def test_the_split_of_a_server_that_says_nothing_per_request_comes_from_its_statistics():
    split = point_with(said(2, 5)).split
    assert (split.queue_ms, split.compute_ms) == pytest.approx((2, 5))
    assert split.rest_ms == pytest.approx(1)
    assert split.source == "Triton's metrics"


def test_what_is_said_with_each_answer_counts_more():
    split = point_with(said(2, 5), compute_ns=3 * MS).split
    assert (split.queue_ms, split.compute_ms, split.source) == (None, 3.0, "Server-Timing")


def test_statistics_that_say_more_than_was_waited_are_of_other_requests():
    split = point_with(said(20, 5)).split
    assert (split.queue_ms, split.compute_ms, split.source) == (None, None, "")
    assert split.rest_ms == pytest.approx(8)
