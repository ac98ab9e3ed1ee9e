"""Triton's statistics of several versions: what the model did is their sum."""

import json

from harness.measure.target.statistics_reader import _triton_counters


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
