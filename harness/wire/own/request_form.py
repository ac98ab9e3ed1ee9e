"""The form of requests of the user's own: everything but their bodies, which are the items of a payload bank."""

from __future__ import annotations

from enum import StrEnum

import msgspec

JSON = "application/json"


class Content(StrEnum):
    """What the body of each good response must be."""

    ANY = ""
    JSON = "json"
    JSON_LINES = "json-lines"  # each line that is not empty is a document


class RequestForm(msgspec.Struct, frozen=True, kw_only=True):
    """What all requests of a bank have in common, and what is expected of their responses."""

    method: str = "POST"
    content_type: str = JSON  # empty: no such header
    charset: str = ""  # of responses, as the first one declares it; empty: UTF-8
    responds: Content = Content.ANY  # as the first response declares
    descriptors: bytes = b""  # of a gRPC service: the `FileDescriptorSet` with `method`
    expect: str = ""  # as `expectation_text` reads it: what the fields beside the bodies are for
