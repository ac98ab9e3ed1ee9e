import pytest

from harness.errors import UserError
from harness.wire.codec import http_post
from harness.wire.credentials import (
    HEADERS,
    Access,
    access_to,
    parse_header,
    read_token,
    require_token_host,
    without_user,
)
from harness.wire.payload_bank import BankMeta, random_bank
from harness.wire.protocols import make_codec
from harness.wire.server_url import parse_url

SECRET = "s3cret-token.value~1/2+3=="


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("SWEEPSPOT_TOKEN", "SWEEPSPOT_TOKEN_FILE", "SWEEPSPOT_TLS_CA", HEADERS):
        monkeypatch.delenv(name, raising=False)


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    assert Access.find() == Access()
    monkeypatch.setenv("SWEEPSPOT_TOKEN", SECRET)
    assert read_token() == SECRET
    file = tmp_path / "token"
    file.write_text("other\n")
    monkeypatch.setenv("SWEEPSPOT_TOKEN_FILE", str(file))
    assert read_token() == "other"
    second = tmp_path / "second"
    second.write_text(SECRET)
    assert Access.find(token_file=second).authorization == f"Bearer {SECRET}"


@pytest.mark.parametrize("text", ["", "  \n", "two words", "line\nline", "ümlaut", "x" * 9000, "tab\there", 'quote"'])
def test_what_is_no_token_is_refused_without_repeating_it(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(UserError, match=f"^token file {file}: ") as caught:
        read_token(file)
    assert not text.strip() or text.strip() not in str(caught.value)


def test_a_missing_file_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"token file .*none"):
        read_token(tmp_path / "none")


def test_the_token_is_in_every_request_and_in_no_representation():
    access = Access(SECRET)
    url = parse_url("http://127.0.0.1:8000", access)
    meta = BankMeta(model="m", input_shape=(2,), output_shape=(1,))
    item = random_bank(meta, 1).inputs[0]
    for protocol in ("http-json", "http-binary", "tfs", "grpc"):
        assert f"Bearer {SECRET}".encode() in make_codec(protocol, url, meta).encode(item)
    for shown in (repr(access), str(url), repr(url), repr({url: access})):
        assert SECRET not in shown
    assert "uthorization" not in str(make_codec("http-json", parse_url("http://h"), meta).encode(item))


def test_own_headers_come_from_a_file_or_a_variable(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("MY_KEY", "$0ther")
    assert parse_header(f"X-Api-Key: @{tmp_path / 'key'}", "--header") == ("X-Api-Key", "s3cret")
    assert parse_header("X-Api-Key: $MY_KEY", "--header") == ("X-Api-Key", "$0ther")
    monkeypatch.setenv(HEADERS, "X-Api-Key: $0ther\nHost: example.org")  # as the command line keeps them
    access = Access.find()
    assert access.header_line == "X-Api-Key: $0ther\r\n"
    assert access.secrets == ("$0ther",)
    assert "0ther" not in repr(access)
    request = http_post(parse_url("http://127.0.0.1:8000", access), "/x", "", b"")
    assert request.startswith(b"POST /x HTTP/1.1\r\nHost: example.org\r\nX-Api-Key: $0ther\r\n")


@pytest.mark.parametrize(
    "text",
    ["nothing", "X Y: 1", "X: ", "X: a\r\nY: b", "X: ä", "X: @/no/such/file", "X: $NO_SUCH_VARIABLE",
     "Content-Length: 3", ": 1"],
)  # fmt: skip
def test_a_header_that_cannot_be_sent_names_the_flag(text):
    with pytest.raises(UserError, match=r"^--header "):
        parse_header(text, "--header")


def test_headers_are_for_no_other_host(monkeypatch):
    monkeypatch.setenv(HEADERS, "X-Api-Key: s3cret")
    with pytest.raises(UserError, match="was not started for that host"):
        require_token_host("http://b:1", ["http://a:1"])


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://api.example.com/metrics", True),
        ("https://API.example.com:443/v1/metrics", True),
        ("http://api.example.com:8002/metrics", False),  # another port, in clear text
        ("https://api.example.com:8002/metrics", False),
        ("http://api.example.com/metrics", False),
        ("https://metrics.example.com/metrics", False),
    ],
)
def test_credentials_are_shown_to_the_scheme_host_and_port_of_a_target_alone(monkeypatch, tmp_path, url, is_shown):
    monkeypatch.setenv("SWEEPSPOT_TOKEN", SECRET)
    monkeypatch.setenv("SWEEPSPOT_TLS_CA", str(tmp_path / "authority.pem"))
    monkeypatch.setenv(HEADERS, "X-Api-Key: k3y")
    access = access_to(url, ["https://api.example.com/v1"])
    assert (access.token, access.headers) == ((SECRET, (("X-Api-Key", "k3y"),)) if is_shown else ("", ()))
    assert access.ca == tmp_path / "authority.pem"


def test_a_url_shows_no_user():
    assert without_user("http://me:secret@h:1/p") == "http://...@h:1/p"
    assert without_user("-H http://h:1/p?to=a@b") == "-H http://h:1/p?to=a@b"


@pytest.mark.parametrize("user", ["me:s3cret@", ":s3cret@", "s3cret@", "@"])
def test_a_url_with_a_user_is_refused_and_not_repeated(user):
    with pytest.raises(UserError, match="give no user or password") as caught:
        parse_url(f"http://{user}127.0.0.1:1/p")
    assert "s3cret" not in str(caught.value)
