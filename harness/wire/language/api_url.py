"""The base URL of a language model's API, in any form that users write: with or without `/v1`, or the whole path."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.wire.server_url import ServerUrl

VERSION = "/v1"
_VERSION = re.compile(r"/v\d+(?:alpha|beta)?\d*(?=/|$)")
_ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/rerank", "/models")


def api_url(url: ServerUrl) -> ServerUrl:
    """`url` with the prefix that comes before `/chat/completions`.

    A prefix that names a version is taken as it is, as OpenAI's own clients take their base URL: `/v1`,
    `/api/v3`, `/v1beta/openai`; so is what comes before an endpoint that was given. Any other prefix is followed by
    `/v1`.
    """
    prefix = _without_endpoint(url.prefix)
    is_base = prefix != url.prefix or _VERSION.search(prefix)
    return replace(url, prefix=prefix if is_base else prefix + VERSION)


def server_root(url: ServerUrl) -> ServerUrl:
    """`url` without the version and what follows it: servers have `/metrics` and `/tokenize` there."""
    prefix = _without_endpoint(url.prefix)
    match = _VERSION.search(prefix)
    return replace(url, prefix=prefix[: match.start()] if match else prefix)


def _without_endpoint(prefix: str) -> str:
    for endpoint in _ENDPOINTS:
        if prefix.endswith(endpoint):
            return prefix.removesuffix(endpoint)
    return prefix
