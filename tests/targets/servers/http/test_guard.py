import pytest

from targets.servers.http.guard import Guard
from targets.servers.http.head import HeadParser
from targets.servers.http.routes import Action, ModelRoutes
from targets.servers.protocols.errors import ProtocolError


def status_of(guard, path, *headers, method="GET"):
    lines = "".join(f"{header}\r\n" for header in headers)
    head = HeadParser(ModelRoutes("m"), 1000, guard).parse(
        f"{method} {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode()
    )
    return 200 if head.refusal is None else head.refusal.status


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v2/models/m", ["Authorization: Bearer right"], 200),
        ("/v2/models/m", [], 401),
        ("/v2/models/m", ["Authorization: Bearer wrong"], 401),
        ("/v2/models/m", ["Authorization: right"], 401),
        ("/v2/models/m", ["Authorization: Bearer right2"], 401),
        ("/metrics", [], 401),
        ("/v2/models/other", [], 401),
        ("/v2/models/other", ["Authorization: Bearer right"], 404),
        ("/v2/health/ready", [], 200),
        ("/v2/health/live", ["Authorization: Bearer wrong"], 200),
    ],
)
def test_who_shows_the_token_may_ask(path, headers, status):
    assert status_of(Guard("right"), path, *headers) == status


def test_without_a_token_everyone_may_ask():
    assert status_of(Guard(), "/v2/models/m") == 200
    Guard().check(b"")


def test_the_refusal_says_what_is_asked_for():
    with pytest.raises(ProtocolError) as caught:
        Guard("right").check(b"Bearer wrong", Action.MODEL)
    assert caught.value.headers == b"www-authenticate: Bearer\r\n"
    assert "wrong" in str(caught.value)
