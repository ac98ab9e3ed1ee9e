"""Single exchanges with real servers that misbehave."""

import gzip
import socket
import threading

import pytest

from harness.wire.bounded_http import NoResponseError, exchange, get
from harness.wire.credentials import Access
from harness.wire.server_url import parse_url

pytestmark = pytest.mark.process


@pytest.fixture
def server():
    """Starts a server that hands each connection to `script`; returns its URL."""
    listeners = []

    def start(script):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    script(connection)

        threading.Thread(target=serve, daemon=True).start()
        return parse_url(f"http://127.0.0.1:{listener.getsockname()[1]}/prefix", Access(token="secret"))

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_get_sends_prefix_host_and_token_and_returns_status_and_body(server):
    seen = []

    def script(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 404 no\r\nContent-Length: 13\r\n\r\n" + b'{"a": [1, 2]}')

    url = server(script)

    response = get(url, "/path")

    assert (response.status, response.document()) == (404, {"a": [1, 2]})
    line, *headers = seen[0].decode().split("\r\n")
    assert line == "GET /prefix/path HTTP/1.1"
    assert {f"Host: {url.authority}", "Authorization: Bearer secret"} <= set(headers)


def test_a_body_is_cut_at_the_limit_even_if_it_never_ends(server):
    def script(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:  # the client has gone
            return

    assert get(server(script), limit_bytes=100_000).body == b"x" * 100_000


def test_a_body_that_drips_ends_with_the_time_and_not_with_the_server(server):
    stop = threading.Event()

    def script(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while not stop.wait(0.02):
                connection.sendall(b"x")
        except OSError:
            return

    with pytest.raises(NoResponseError, match="timed out"):
        get(server(script), timeout_s=0.2)
    stop.set()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123"])
def test_what_is_no_whole_response_is_none(server, said):
    def script(connection):
        connection.recv(65536)
        connection.sendall(said)

    with pytest.raises(NoResponseError):
        exchange(server(script), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", timeout_s=5)


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_single_question_is_read_as_the_load_reads(server, before):
    body = gzip.compress(b'{"a": 1}')

    def script(connection):
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(before + head + body)

    response = get(server(script))
    assert (response.status, response.document()) == (200, {"a": 1})


def test_where_a_redirection_leads_is_kept(server):
    def script(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 307 T\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")

    assert get(server(script)).location == "/there"


def test_a_name_of_several_addresses_is_found_at_the_one_that_accepts(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.2", 0)) as other:
        port, closed = listener.getsockname()[1], other.getsockname()[1]
        other.close()
        kinds = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*kinds, ("127.0.0.2", closed)), (*kinds, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        url = parse_url(f"http://several:{port}")
        assert url.address(2.0) == (socket.AF_INET, ("127.0.0.1", port))
        with url.connect(2.0) as connected:
            assert connected.getpeername() == ("127.0.0.1", port)


def test_a_port_that_nobody_listens_on_is_named_as_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NoResponseError, match="refused"):
        get(parse_url(f"http://127.0.0.1:{port}"))


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),  # for ever
        (HEAD, b"X"),  # a header without end
        (HEAD, b"X: y\r\n"),  # headers without end
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),  # the size of a chunk without end
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),  # trailers without end
    ],
)
@pytest.mark.parametrize("pause_s", [0.01, 0.0])
def test_what_never_ends_is_given_up(server, first, again, pause_s):
    stop = threading.Event()

    def script(connection):
        connection.recv(65536)
        try:
            connection.sendall(first)
            while not (pause_s and stop.wait(pause_s)):
                connection.sendall(again)
        except OSError:  # the client has gone
            return

    try:
        with pytest.raises(NoResponseError) as failure:
            get(server(script), timeout_s=0.3)
    finally:
        stop.set()
    assert str(failure.value)
