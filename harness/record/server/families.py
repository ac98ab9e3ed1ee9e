"""The names that kinds of servers give to their statistics."""

from __future__ import annotations

from harness.record.server.statistics import CounterShare, Family, Gauge, Part


def _triton(part: str, what: str) -> Part:
    return Part(part, (f"nv_inference_{what}_duration_us",), "nv_inference_request_success", 1e-3)


def _triton_json(part: str, what: str) -> Part:
    return Part(part, (f"{what}.ns",), f"{what}.count", 1e-6)


def _seconds(part: str, *names: str) -> Part:
    return Part(part, tuple(f"{name}_sum" for name in names), f"{names[0]}_count", 1e3)


def _gauge(name: str, *samples: str) -> Gauge:
    return Gauge(name, samples, highest=name == "kv_cache")


LANGUAGE_FAMILIES = (
    Family(
        "vLLM's metrics",
        (
            _seconds("queue", "vllm:request_queue_time_seconds"),
            _seconds("preprocess", "vllm:request_prefill_time_seconds"),
            _seconds("compute", "vllm:request_decode_time_seconds"),
        ),
        gauges=(
            _gauge("running", "vllm:num_requests_running"),
            _gauge("waiting", "vllm:num_requests_waiting"),
            _gauge("kv_cache", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        ),
        shares=(
            CounterShare("preemptions", ("vllm:num_preemptions",)),
            CounterShare(
                "prefix_hits",
                ("vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
                (("vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),),
            ),
            CounterShare(
                "accepted",
                ("vllm:spec_decode_num_accepted_tokens",),
                (("vllm:spec_decode_num_draft_tokens",),),
            ),
        ),
    ),
    Family(
        "SGLang's metrics",
        (_seconds("queue", "sglang:queue_time_seconds"),),
        gauges=(
            _gauge("running", "sglang:num_running_reqs"),
            _gauge("waiting", "sglang:num_queue_reqs"),
            _gauge("kv_cache", "sglang:token_usage"),
        ),
        shares=(
            CounterShare("preemptions", ("sglang:num_retracted_requests",)),  # `..._reqs` is a gauge, of the last batch
            CounterShare("prefix_hits", ("sglang:cached_tokens",), (("sglang:prompt_tokens",),)),
        ),
    ),
    Family(
        "TGI's metrics",
        (_seconds("queue", "tgi_request_queue_duration"), _seconds("compute", "tgi_request_inference_duration")),
        gauges=(_gauge("running", "tgi_batch_current_size"), _gauge("waiting", "tgi_queue_size")),
    ),
    Family(
        "llama.cpp's metrics",
        gauges=(
            _gauge("running", "llamacpp:requests_processing"),
            _gauge("waiting", "llamacpp:requests_deferred"),
            _gauge("kv_cache", "llamacpp:kv_cache_usage_ratio"),
        ),
        shares=(
            CounterShare(
                "prefix_hits",
                ("llamacpp:prompt_tokens_cached",),
                (("llamacpp:prompt_tokens_cached",), ("llamacpp:prompt_tokens",)),
            ),
            CounterShare(
                "accepted",
                ("llamacpp:spec_decode_num_accepted_tokens",),
                (("llamacpp:spec_decode_num_draft_tokens",),),
            ),
        ),
        # It counts a request as deferred once its loop has looked at it, which is after the step that runs: where the
        # prompts of a batch take seconds, 2.7 were said to wait for 4 that did.
        waiting_is_late=True,
    ),
    Family(
        "Dynamo's metrics",
        gauges=(
            _gauge("running", "dynamo_frontend_inflight_requests"),
            _gauge("waiting", "dynamo_frontend_queued_requests"),
        ),
    ),
)
TRITON_STATISTICS = Family(
    "Triton's statistics",
    (
        _triton_json("queue", "queue"),
        _triton_json("preprocess", "compute_input"),
        _triton_json("compute", "compute_infer"),
        _triton_json("serialise", "compute_output"),
    ),
    batched="inference_count",
    batches="execution_count",
)
FAMILIES = (
    *LANGUAGE_FAMILIES,
    Family(
        "Triton's metrics",
        (
            _triton("queue", "queue"),
            _triton("preprocess", "compute_input"),
            _triton("compute", "compute_infer"),
            _triton("serialise", "compute_output"),
        ),
        batched="nv_inference_count",
        batches="nv_inference_exec_count",
    ),
    Family(
        "TensorFlow Serving's metrics",
        (
            Part(
                "queue",
                (":tensorflow:serving:batching_session:queuing_latency_sum",),
                ":tensorflow:serving:batching_session:queuing_latency_count",
                1e-3,
            ),
            Part(
                "compute",
                (":tensorflow:serving:runtime_latency_sum",),
                ":tensorflow:serving:runtime_latency_count",
                1e-3,
            ),
        ),
        batched=":tensorflow:serving:batching_session:processed_batch_size_sum",
        batches=":tensorflow:serving:batching_session:processed_batch_size_count",
    ),
    Family(
        "mosec's metrics",
        (
            _seconds("batch_wait", "mosec_service_batch_duration_second"),
            _seconds("compute", "mosec_service_process_duration_second"),
        ),
        batched="mosec_service_batch_size_sum",
        batches="mosec_service_batch_size_count",
        without_labels=(("stage", "total"),),
    ),
)
