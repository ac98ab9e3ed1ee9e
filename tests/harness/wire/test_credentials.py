import pytest

from harness.errors import UserError
from harness.wire.credentials import Access, read_token
from harness.wire.payload_bank import BankMeta, random_bank
from harness.wire.protocols import make_codec
from harness.wire.server_url import parse_url

SECRET = "s3cret-token.value~1/2+3=="


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("SWEEPSPOT_TOKEN", "SWEEPSPOT_TOKEN_FILE", "SWEEPSPOT_TLS_CA"):
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
