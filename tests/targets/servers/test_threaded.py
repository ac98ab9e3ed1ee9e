"""`threaded` and its connections: those that break off, those of old clients, those that are too many."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from served_target import Served

pytestmark = pytest.mark.process

INFER = "/v2/models/digits-mlp/infer"
LIVE = b"GET /v2/health/live HTTP/1.%d\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"


def outcomes(served: Served) -> dict[str, float]:
    text = served.ask("GET", "/metrics")[1].decode()
    return {name: float(count) for name, count in re.findall(r'requests_total{outcome="(\w+)"} (\S+)', text)}


def test_a_client_that_breaks_off_is_no_failure_of_the_model(threaded: Served) -> None:
    before = outcomes(threaded)
    with socket.create_connection(("127.0.0.1", threaded.port), 10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789".encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
    while (after := outcomes(threaded)) == before:
        pass
    assert after == {**before, "bad_request": before["bad_request"] + 1}


def test_a_client_of_http_1_0_is_told_that_its_connection_is_kept(threaded: Served) -> None:
    with socket.create_connection(("127.0.0.1", threaded.port), 10) as client:
        for minor, told in ((0, True), (1, False)):
            client.sendall(LIVE % minor)
            received = b""
            while not received.endswith(b"}"):
                received += client.recv(4096)
            assert (b"connection: keep-alive\r\n" in received) == told


def test_a_connection_too_many_is_refused_over_tls_too(serve: Callable[..., Served]) -> None:
    served = serve("threaded", engine="onnxruntime", tls=True, max_connections=1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connect() -> ssl.SSLSocket:
        return context.wrap_socket(socket.create_connection(("127.0.0.1", served.port), 10))

    with connect() as first:
        first.sendall(LIVE % 1)
        assert first.recv(4096).startswith(b"HTTP/1.1 200 ")
        with connect() as second:
            assert second.recv(4096).startswith(b"HTTP/1.1 503 ")
