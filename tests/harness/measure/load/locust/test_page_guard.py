"""Which requests Locust's page takes, header by header."""

import pytest

from harness.measure.load.locust.page_guard import foreign_request, host_names, private_field

LOCAL = host_names("127.0.0.1")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Host": "127.0.0.1:8089"}),
        ("GET", {"Host": "localhost:8089", "Sec-Fetch-Site": "cross-site"}),  # a link from another page shows it
        ("POST", {"Host": "127.0.0.1:8089"}),  # curl
        ("POST", {"Host": "127.0.0.1:8089", "Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8089"}),
        ("POST", {"Host": "127.0.0.1:8089", "Origin": "http://127.0.0.1:8089"}),
        ("POST", {"Host": "[::1]:8089", "Referer": "http://[::1]:8089/"}),
    ],
)
def test_its_own_requests_are_taken(method, headers):
    assert foreign_request(method, headers, LOCAL) == ""


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"Host": "127.0.0.1:8089", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}),
        ("POST", {"Host": "127.0.0.1:8089", "Sec-Fetch-Site": "same-site"}),  # another port of this machine
        ("POST", {"Host": "127.0.0.1:8089", "Origin": "http://127.0.0.1:8000"}),
        ("POST", {"Host": "127.0.0.1:8089", "Origin": "null"}),  # a sandboxed frame
        ("POST", {"Host": "127.0.0.1:8089", "Referer": "https://evil.example/127.0.0.1:8089"}),
        ("GET", {"Host": "evil.example:8089"}),  # a name that leads here
        ("POST", {"Host": "evil.example:8089", "Origin": "http://evil.example:8089", "Sec-Fetch-Site": "same-origin"}),
        ("GET", {}),
    ],
)
def test_those_from_elsewhere_are_refused(method, headers):
    assert foreign_request(method, headers, LOCAL)


def test_a_page_for_every_address_has_no_name_of_its_own():
    assert foreign_request("GET", {"Host": "build-7.example:8089"}, host_names("0.0.0.0")) == ""
    assert foreign_request("POST", {"Host": "a:1", "Origin": "http://b:1"}, host_names("0.0.0.0"))


def test_a_field_that_no_page_offers_is_named():
    assert private_field({"user_count": "1", "token_file": "/etc/passwd"}, ("user_count",)).startswith("token_file: ")
    assert private_field({"user_count": "1"}, ("user_count",)) == ""
