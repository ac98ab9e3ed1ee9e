"""`localhost` may be ::1 first where the server listens on 127.0.0.1 alone, or the other way round."""

import http.server
import socket
import threading

import pytest
from http_service import JsonHandler

from harness.measure.target.own_requests import own_bank
from harness.wire.own.own_request import OwnRequest
from harness.wire.server_probe import ask_once

pytestmark = pytest.mark.process

PLACES = {"127.0.0.1": socket.AF_INET, "127.0.0.2": socket.AF_INET, "::1": socket.AF_INET6}


def other_place():
    """Another address of this machine: that of IPv6, where it has one."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return "127.0.0.2"
    return "::1"


class Service(JsonHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(200, {"n": 1})


@pytest.fixture
def serve_at():
    started = []

    def start(place):
        kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": PLACES[place]})
        started.append(kind((place, 0), Service))
        threading.Thread(target=started[-1].serve_forever, args=(0.01,), daemon=True).start()
        return started[-1].server_address[1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("first", [True, False], ids=["its own address first", "another address first"])
@pytest.mark.parametrize("listens", ["127.0.0.1", "the other"])
def test_the_first_request_and_the_load_find_the_address_that_accepts(
    serve_at, bench, tmp_path, monkeypatch, listens, first
):
    other = other_place()
    place, elsewhere = ("127.0.0.1", other) if listens == "127.0.0.1" else (other, "127.0.0.1")
    port = serve_at(place)
    found = [(PLACES[each], socket.SOCK_STREAM, 6, "", (each, port)) for each in (place, elsewhere)]
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: (
            found[:: 1 if first else -1] if host == "localhost" else known(host, *more, **named)
        ),
    )
    url = f"http://localhost:{port}/p"
    bank = own_bank(OwnRequest(body="{}"), "$.n = 1", "m")
    ask_once(url, "http", bank, "$.n = 1").bank.save(tmp_path / "own.npz")
    rows, report = bench(url, protocol="http", bank=str(tmp_path / "own.npz"), expect="$.n = 1").run(20, users=2)
    assert (report.ok, report.error) == (len(rows), 0), report.errors
