"""Triton's statistics of several versions: what the model did is their sum."""

import json

import pytest
from http_service import JsonHandler, served_by

from harness.measure.target.statistics_reader import (
    MAX_SAMPLES,
    StatisticsReader,
    _triton_counters,
    find_statistics_reader,
)
from harness.record.server.families import FAMILIES
from harness.wire.credentials import HEADERS, TOKEN
from harness.wire.server_url import parse_url


def version(number, count, ns):
    parts = {part: {"count": count, "ns": count * ns} for part in ("success", "queue", "compute_infer")}
    return {"name": "m", "version": number, "inference_count": count, "execution_count": count // 2,
            "inference_stats": parts}  # fmt: skip


def test_versions_are_added_up():
    body = json.dumps({"model_stats": [version("1", 7, 1), version("2", 100, 40_000)]}).encode()
    counters = _triton_counters(body)
    assert counters["inference_count"] == 107
    assert counters["queue.ns"] == 7 + 4_000_000
    assert counters["queue.count"] == 107


def test_what_is_no_statistics_is_none():
    for body in (b"{}", b"[]", b"no", b'{"model_stats": []}', b'{"model_stats": [{"name": "m"}]}'):
        assert _triton_counters(body) is None


VLLM = next(family for family in FAMILIES if "vllm:num_preemptions" in family.samples())


def test_other_lines_of_prometheus_text_cost_nothing():
    body = b"other_total 1\n" * 500_000 + b'vllm:num_preemptions_total{model_name="m"} 3\n'
    reader = StatisticsReader(parse_url("http://127.0.0.1:1/metrics"), VLLM, "m")
    assert reader.counters_in(body) == {"vllm:num_preemptions": 3.0}


def test_more_lines_of_a_family_than_any_server_has_are_not_read():
    body = b'vllm:num_preemptions_total{model_name="m"} 3\n' * (MAX_SAMPLES + 1)
    assert StatisticsReader(parse_url("http://127.0.0.1:1/metrics"), VLLM, "m").counters_in(body) is None


@pytest.mark.process
def test_a_service_of_ones_own_is_asked_for_metrics_and_nothing_else():
    asked = []

    class Handler(JsonHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send(404, b"")

    with served_by(Handler) as url:
        assert find_statistics_reader(f"{url}/deep/predict?a=1", "m", own_paths=True) is None
        assert asked == ["/metrics"]
        assert find_statistics_reader(url, "m") is None
    assert asked[1:] == ["/v2/models/m/stats", "/metrics", "/monitoring/prometheus/metrics"]


def test_a_grpc_service_of_ones_own_is_asked_for_none():
    assert find_statistics_reader("grpc://127.0.0.1:1", "m", own_paths=True) is None


@pytest.mark.process
def test_what_listens_elsewhere_than_the_server_gets_no_credentials(monkeypatch):
    monkeypatch.setenv(TOKEN, "s3cret")
    monkeypatch.setenv(HEADERS, "X-Api-Key: k3y")
    asked = []

    class Handler(JsonHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization"), self.headers.get("X-Api-Key")))
            self.send(200, b'vllm:num_preemptions_total{model_name="m"} 3\n')

    with served_by(Handler) as url, served_by(Handler) as elsewhere:
        for metrics_url in (f"{elsewhere}/metrics", f"{url}/metrics"):
            assert find_statistics_reader(f"{url}/v1", "m", metrics_url).read() == {"vllm:num_preemptions": 3.0}
    # each is asked twice: to find the family, and to read it
    assert asked == [*[("/metrics", None, None)] * 2, *[("/metrics", "Bearer s3cret", "k3y")] * 2]
