"""The load over TLS, against scripted servers with certificates of every kind."""

import ssl
import time

import pytest
import trustme

from harness.errors import UserError
from harness.measure.load.connections import connection as connection_module
from harness.plan.arrivals import Closed
from harness.wire.server_probe import detect_protocol
from tests.harness.measure.load.conftest import ScriptedServer

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(path)
    made.path = path
    return made


class TlsServer(ScriptedServer):
    def __init__(self, script, certificate, version=None, *, rude=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if version is not None:
            self.context.maximum_version = version
        certificate.configure_cert(self.context)
        self.rude = rude  # ends without saying so
        super().__init__(script)

    @property
    def url(self):
        return super().url.replace("http:", "https:")

    def _serve(self, connection):
        try:
            secure = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
        except OSError:
            return
        super()._serve(secure)

    def say_goodbye(self, secure):
        if not self.rude:
            secure.unwrap()


@pytest.fixture
def serve_tls():
    servers = []

    def start(*given, **more):
        servers.append(TlsServer(*given, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_load_goes_over_tls(serve_tls, bench, answer, authority, version):
    server = serve_tls(lambda n, request, _: answer.right(request), authority.issue_cert("127.0.0.1"), version)
    rows, report = bench(server.url, tls_ca=authority.path).run(60, users=3)
    assert (report.ok, report.checked) == (report.sent, report.sent)
    assert server.connections == 3
    for row in rows:
        assert row["due_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["done_ns"]


def test_large_requests_and_answers_cross_many_records(serve_tls, bench, answer, authority):
    def script(number, request, connection):
        body = answer.right(request).partition(b"\r\n\r\n")[2] + b" " * 2_000_000
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    ran = bench(serve_tls(script, authority.issue_cert("127.0.0.1")).url, tls_ca=authority.path)
    requests = ran.load.engine._requests
    for number, request in enumerate(requests):
        body = request.partition(b"\r\n\r\n")[2] + b" " * 3_000_000
        requests[number] = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    rows, report = ran.run(3)
    assert report.ok == report.sent
    assert rows[0]["request_bytes"] > 3_000_000
    assert rows[0]["response_bytes"] > 2_000_000


@pytest.mark.parametrize(
    ("names", "believed", "why"),
    [
        (["other.example"], True, "IP address mismatch"),
        (["127.0.0.1"], False, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_right_is_an_error_and_nothing_is_sent(
    serve_tls, bench, answer, authority, names, believed, why
):
    maker = authority if believed else trustme.CA()
    server = serve_tls(lambda n, request, _: answer.right(request), maker.issue_cert(*names))
    rows, report = bench(server.url, tls_ca=authority.path).run(2)
    assert (report.ok, report.error) == (0, report.sent)
    assert server.requests == []
    assert all(row["sent_ns"] is None for row in rows)
    (text,) = report.errors
    assert text.startswith("cannot connect: TLS: the certificate is not trusted")
    assert why in text


def test_without_an_authority_named_only_the_systems_are_believed(serve_tls, bench, answer, authority):
    server = serve_tls(lambda n, request, _: answer.right(request), authority.issue_cert("127.0.0.1"))
    _, report = bench(server.url).run(1)
    assert report.error == report.sent
    with pytest.raises(UserError, match="give the authority of its certificate with --tls-ca FILE"):
        detect_protocol(server.url, "m")


def test_a_server_without_tls_is_an_error(serve, bench, answer):
    server = serve(lambda number, request, connection: b"HTTP/1.1 400 no\r\n\r\n")
    _, report = bench(server.url.replace("http:", "https:"), timeout_s=0.3).run(1)
    assert report.ok == 0


@pytest.mark.parametrize("rude", [False, True])
def test_an_answer_that_ends_with_the_connection_must_end_in_order(serve_tls, bench, answer, authority, rude):
    def script(number, request, connection):
        body = answer.right(request).partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        server.say_goodbye(connection)
        return "close"

    server = serve_tls(script, authority.issue_cert("127.0.0.1"), rude=rude)
    _, report = bench(server.url, tls_ca=authority.path).run(2)
    assert (report.ok, report.error) == ((0, report.sent) if rude else (report.sent, 0)), report.errors


def test_a_stale_connection_is_opened_again(serve_tls, bench, answer, authority, monkeypatch):
    monkeypatch.setattr(connection_module, "STALE_AFTER_NS", 5_000_000)
    server = serve_tls(lambda n, request, _: answer.right(request), authority.issue_cert("127.0.0.1"))
    ran = bench(server.url, tls_ca=authority.path, arrivals=Closed(users=1, think_time_s=0.02))
    ran.load.begin_phases(time.monotonic_ns())
    ran.load.loop.add_user()
    ran.turn_until(lambda: sum(ran.load.ledger.ended) >= 4)
    _, report = ran.finish()
    assert report.ok == report.sent


def test_an_authority_that_is_no_certificate_is_the_users_mistake(bench, tmp_path):
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nonsense")
    with pytest.raises(UserError, match=r"^certificate authority .*ca.pem"):
        bench("https://127.0.0.1:1", tls_ca=wrong)
