"""Base URLs as users write them."""

import pytest

from harness.wire.language.api_url import api_url, server_root
from harness.wire.server_url import parse_url


@pytest.mark.parametrize(
    ("written", "base", "root"),
    [
        ("", "/v1", ""),
        ("/", "/v1", ""),
        ("/v1", "/v1", ""),
        ("/v1/", "/v1", ""),
        ("/v1/chat/completions", "/v1", ""),
        ("/v1/completions", "/v1", ""),
        ("/openai", "/openai/v1", "/openai"),
        ("/openai/v1", "/openai/v1", "/openai"),
        ("/v1beta/openai", "/v1beta/openai", ""),
        ("/api/paas/v4/", "/api/paas/v4", "/api/paas"),
        ("/v1/models", "/v1", ""),
        ("/video", "/video/v1", "/video"),
        ("/embeddings", "", ""),
        ("/chat/completions", "", ""),
        ("/serving-endpoints/chat/completions", "/serving-endpoints", "/serving-endpoints"),
    ],
)
def test_the_paths_of_the_api_follow_any_form_of_its_base_url(written, base, root):
    url = parse_url(f"http://127.0.0.1:8000{written}")
    assert (api_url(url).prefix, server_root(url).prefix) == (base, root)
    assert str(api_url(url)) == f"http://127.0.0.1:8000{base}"
