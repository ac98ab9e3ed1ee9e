"""Small servers that take the flags of vLLM, SGLang, TGI and Ollama and answer as their documentation says.

    python -m tests.examples.language_server KIND [flags of that server]

A flag that the server does not document ends it with exit code 2, as the real one does. `METRICS=old` in the
environment gives the metrics the names that they had in earlier versions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from http.server import HTTPServer, ThreadingHTTPServer

from tests.examples.http_service import JsonHandler

OLD = os.environ.get("METRICS") == "old"
SERVED = []  # an entry for each response
FLAGS = {  # with a value
    "vllm": ("served-model-name", "host", "port", "max-num-seqs", "max-num-batched-tokens", "max-model-len"),
    "sglang": (
        *("model-path", "served-model-name", "host", "port", "max-running-requests", "chunked-prefill-size"),
        "schedule-policy",
    ),
    "tgi": (
        *("model-id", "hostname", "port", "max-concurrent-requests", "max-batch-prefill-tokens"),
        "waiting-served-ratio",
    ),
    "ollama": (),
}
SWITCHES = {
    "vllm": ("enable-prefix-caching", "no-enable-prefix-caching", "enable-prompt-tokens-details"),
    "sglang": ("enable-metrics", "enable-cache-report"),
}
WORDS = {"vllm": ("serve", "model"), "ollama": ("serve",)}
HEALTH = {"vllm": "/health", "sglang": "/health", "tgi": "/health", "ollama": "/api/version"}
METRICS = {
    "vllm": """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="vllm"} 0
vllm:num_requests_waiting{engine="0",model_name="vllm"} 0
vllm:kv_cache_usage_perc{engine="0",model_name="vllm"} 0.5
# TYPE vllm:prefix_cache_queries counter
vllm:prefix_cache_queries_total{engine="0",model_name="vllm"} %(tokens)d
vllm:prefix_cache_hits_total{engine="0",model_name="vllm"} %(cached)d
# TYPE vllm:request_queue_time_seconds histogram
vllm:request_queue_time_seconds_bucket{le="+Inf",engine="0",model_name="vllm"} %(n)d
vllm:request_queue_time_seconds_sum{engine="0",model_name="vllm"} %(queue_s)f
vllm:request_queue_time_seconds_count{engine="0",model_name="vllm"} %(n)d
""",
    "sglang": """
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="sglang",tp_rank="0"} 0
sglang:num_queue_reqs{model_name="sglang",tp_rank="0"} 0
sglang:token_usage{model_name="sglang",tp_rank="0"} 0.5
sglang:num_retracted_reqs{model_name="sglang",tp_rank="0"} 7
# TYPE sglang:num_retracted_requests_total counter
sglang:num_retracted_requests_total{model_name="sglang",tp_rank="0"} %(n)d
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{model_name="sglang"} %(tokens)d
# TYPE sglang:cached_tokens_total counter
sglang:cached_tokens_total{cache_source="device",model_name="sglang"} %(cached)d
# TYPE sglang:queue_time_seconds histogram
sglang:queue_time_seconds_bucket{le="+Inf",model_name="sglang"} %(n)d
sglang:queue_time_seconds_sum{model_name="sglang"} %(queue_s)f
sglang:queue_time_seconds_count{model_name="sglang"} %(n)d
""",
    "tgi": """
# TYPE tgi_queue_size gauge
tgi_queue_size 0
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 0
# TYPE tgi_request_queue_duration histogram
tgi_request_queue_duration_bucket{le="+Inf"} %(n)d
tgi_request_queue_duration_sum %(queue_s)f
tgi_request_queue_duration_count %(n)d
""",
}
RENAMED = {
    "vllm": (("kv_cache_usage_perc", "gpu_cache_usage_perc"), ("vllm:prefix_cache", "vllm:gpu_prefix_cache")),
    "sglang": (("sglang:", "sglang_"),),
    "tgi": (),
}


def arguments(kind: str) -> argparse.Namespace:
    """The flags; exits with 2 at one that the server does not have."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for word in WORDS.get(kind, ()):
        parser.add_argument(word)
    for flag in FLAGS[kind]:
        parser.add_argument(f"--{flag}", required=True)
    for flag in SWITCHES.get(kind, ()):
        parser.add_argument(f"--{flag}", action="store_true")
    return parser.parse_args(sys.argv[2:])


def stream_of(kind: str, tokens: int) -> list[dict[str, object]]:
    """The events of a response of so many tokens, as each server shapes them."""
    first = [] if kind in {"tgi", "ollama"} else [{"role": "assistant", "content": ""}]
    deltas = [*first, *[{"role": "assistant", "content": "w "}] * tokens]
    pieces = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    pieces.append({"index": 0, "delta": {"content": ""}, "finish_reason": "length"})
    usage: dict[str, object] = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    if {"--enable-prompt-tokens-details", "--enable-cache-report"} & {*sys.argv}:  # of vLLM, of SGLang
        usage["prompt_tokens_details"] = {"cached_tokens": 5}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": kind}
    return [*({**head, "choices": [piece]} for piece in pieces), {**head, "choices": [], "usage": usage}]


def handler(kind: str) -> type[JsonHandler]:
    """Answers health, metrics and chat completions as `kind` does."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            if self.path == HEALTH[kind]:
                self.send(200, b'{"version": "0.1"}' if kind == "ollama" else b"")
            elif self.path == "/v1/models":
                self.answer(200, {"object": "list", "data": [{"id": kind, "object": "model"}]})
            elif self.path == "/metrics" and kind in METRICS:
                self.send(200, metrics(kind).encode())
            else:
                self.send(404, b"404 page not found")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            SERVED.append(body)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for event in stream_of(kind, body["max_tokens"]):
                self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

    return Handler


def metrics(kind: str) -> str:
    """The exposition after what was served so far: of each request 20 prompt tokens, 5 of them cached, 10 ms queued."""
    served = len(SERVED)
    text = METRICS[kind] % {"n": served, "tokens": 20 * served, "cached": 5 * served, "queue_s": 0.01 * served}
    for new, old in RENAMED[kind] if OLD else ():
        text = text.replace(new, old)
    return text


def main() -> None:
    """Serve until stopped."""
    kind = sys.argv[1]
    given = arguments(kind)
    if kind == "tgi":  # its metrics have a port of their own, besides the path on the main one
        HTTPServer(("127.0.0.1", int(os.environ.get("PROMETHEUS_PORT", "9000"))), handler(kind))
    host, _, port = os.environ.get("OLLAMA_HOST", "").partition(":")
    address = (host, int(port)) if kind == "ollama" else ("127.0.0.1", int(given.port))
    ThreadingHTTPServer(address, handler(kind)).serve_forever(0.05)


if __name__ == "__main__":
    main()
