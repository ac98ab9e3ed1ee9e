"""Time-outs as clients report them."""

import pytest
import requests
import urllib3.exceptions

from harness.measure.load.timeout_errors import is_timeout


class RetriesExceeded(Exception):  # noqa: N818  (as geventhttpclient's, which FastHttpUser reports)
    def __init__(self, original):
        super().__init__()
        self.original = original


class RpcError(Exception):  # as gRPC's, whose code is a method
    def __init__(self, name):
        super().__init__()
        self.code = lambda: type("Code", (), {"name": name})


REFUSED = urllib3.exceptions.MaxRetryError(None, "/", ConnectionRefusedError(111, "Connection refused"))
LATE = urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out."))


@pytest.mark.parametrize(
    ("error", "late"),
    [
        (TimeoutError(), True),
        (TimeoutError("timed out"), True),
        (requests.ReadTimeout(), True),
        (requests.ConnectionError(LATE), True),
        (requests.ConnectionError(REFUSED), False),
        (RetriesExceeded(TimeoutError("timed out")), True),
        (RetriesExceeded(ConnectionResetError()), False),
        (RpcError("DEADLINE_EXCEEDED"), True),
        (RpcError("UNAVAILABLE"), False),
        (ValueError("no number"), False),
    ],
)
def test_a_time_out_is_found_in_what_it_is_wrapped_in(error, late):
    assert is_timeout(error) is late


def test_a_cause_counts_and_a_circle_ends():
    error = ConnectionError("failed")
    error.__cause__ = TimeoutError()
    assert is_timeout(error)
    error.__cause__ = error
    assert not is_timeout(error)
