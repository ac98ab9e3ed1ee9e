"""Reports of failures as servers write them: which of them are refusals, and how long they ask to wait."""

import pytest

from harness.wire.http.refusal import Refusal, refusal_in

S = 1_000_000_000


@pytest.mark.parametrize(
    ("body", "wait_ns"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', None),
        (b'{"error":{"object":"error","message":"The request queue is full.","code":503}}', None),
        (b'{"error":{"message":"please retry","type":"ServiceUnavailableError","code":503}}', None),
        (b'{"error":"Model is overloaded","error_type":"overloaded"}', None),
        (b'{"error":{"code":529}}', None),
        (b"the model is overloaded", None),
        (
            b'{"error":{"type":"tokens","code":"rate_limit_exceeded","message":"Please try again in 1m30.5s. See"}}',
            90.5,
        ),
        (b'{"response":{"error":{"code":"rate_limit_exceeded","message":"Please try again in 20ms."}}}', 0.02),
        (b'{"error":{"code":"429","message":"Please retry after 6 seconds."}}', 6),
        (b'{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"37s"}]}}', 37),
        (b'{"error":{"code":429,"metadata":{"retry_after_ms":250}}}', 0.25),
        (b'{"error":{"code":429,"retry_after":"12"}}', 12),
        (b'{"error":{"code":429,"retry_after":-1}}', None),
        (b'{"error":{"code":429,"retry_after":1e300}}', 86_400),
    ],
)
def test_a_refusal_is_found_in_the_forms_of_servers_with_the_time_that_it_asks_for(body, wait_ns):
    assert refusal_in(body) == Refusal(None if wait_ns is None else round(wait_ns * S))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"CUDA out of memory","code":500}}',
        b'{"error":{"message":"bad request","code":400,"param":"429"}}',
        b'{"choices":[{"delta":{"content":"rate limit"}}],"error":{"code":502,"message":"gone"}}',
        b"",
        b"\xff\xfe",
    ],
)
def test_another_failure_is_none(body):
    assert refusal_in(body) is None
