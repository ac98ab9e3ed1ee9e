"""The protocols that a load speaks, by name."""

from __future__ import annotations

from harness.errors import unknown_name

HTTP_JSON = "http-json"  # Open Inference Protocol v2, tensors as JSON numbers
HTTP_BINARY = "http-binary"  # the same with its binary tensor extension
GRPC = "grpc"  # Open Inference Protocol v2 over gRPC
TFS = "tfs"  # TensorFlow Serving's REST
PLAIN_JSON = "json:"  # followed by where to post and what; see harness.wire.plain_json
OPENAI = "openai"  # OpenAI's chat completions, streamed
AUTO = "auto"  # ask the server

PROTOCOLS = (HTTP_JSON, HTTP_BINARY, GRPC, TFS, OPENAI)
ALIASES = {"v2": HTTP_JSON, "v2-binary": HTTP_BINARY}
NAMES = (AUTO, *PROTOCOLS, *ALIASES)


def protocol_named(name: str) -> str:
    """The protocol that `name` stands for. Raises UserError."""
    if name.startswith(PLAIN_JSON):
        from harness.wire.plain_json import parse_form

        parse_form(name)
        return name
    protocol = ALIASES.get(name, name)
    if protocol not in (AUTO, *PROTOCOLS):
        raise unknown_name("--protocol", name, NAMES)
    return protocol
