"""The registry of protocols. A new one is a module with a `WireProtocol`, and its entry in `PAYLOADS` or `TEXTS`.

Copy the shortest: `http/tf_serving.py` for payloads, `language/rerank.py` for texts. Each is whole in its file: a
codec, functions that recognise a server, and at the end the `WireProtocol`; the first lines say what its fields mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from harness.wire.grpc.open_inference_grpc import GRPC
from harness.wire.grpc.own_service import OWN_SERVICE
from harness.wire.http import plain_json
from harness.wire.http.chat_completions import OPENAI
from harness.wire.http.open_inference import HTTP_BINARY, HTTP_JSON
from harness.wire.http.raw_bodies import BODY, HTTP, BodyCodec
from harness.wire.http.tf_serving import TFS
from harness.wire.language.anthropic_messages import ANTHROPIC
from harness.wire.language.completions import COMPLETIONS
from harness.wire.language.embeddings import EMBEDDINGS
from harness.wire.language.openai_responses import RESPONSES
from harness.wire.language.rerank import RERANK
from harness.wire.protocol import AUTO, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.wire.codec import Codec
    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.text_codec import TextCodec
    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl

PAYLOADS = (HTTP_JSON, HTTP_BINARY, GRPC, TFS, HTTP, OWN_SERVICE)
TEXTS = (OPENAI, COMPLETIONS, RESPONSES, ANTHROPIC, EMBEDDINGS, RERANK)
# In the order in which a server is asked which of them it speaks.
PROTOCOLS: dict[str, WireProtocol] = {protocol.name: protocol for protocol in (*PAYLOADS, *TEXTS)}
# Protocols whose name holds a form, by the prefix of the name.
FAMILIES: dict[str, Callable[[str], WireProtocol]] = {plain_json.PREFIX: plain_json.protocol_of}


def find_protocol(name: str) -> WireProtocol:
    """The protocol with that name or alias. Raises UserError that names the nearest."""
    for prefix, protocol_of in FAMILIES.items():
        if name.startswith(prefix):
            return protocol_of(name)
    by_name = PROTOCOLS | {alias: protocol for protocol in PROTOCOLS.values() for alias in protocol.aliases}
    if name not in by_name:
        raise unknown_name("protocol", name, (AUTO, *by_name))
    return by_name[name]


def protocol_named(name: str) -> str:
    """The full name of the protocol that `name` is an alias of; `auto` stays. Raises UserError."""
    return AUTO if name == AUTO else find_protocol(name).name


def chats(name: str) -> bool:
    """Whether the protocol carries conversations; False for `auto` and for the empty name."""
    return name not in ("", AUTO) and find_protocol(name).chats


def make_text_codec(name: str, url: ServerUrl, model: str, options: GenerationOptions) -> TextCodec:
    """The codec of a protocol for one language model. Raises UserError where it carries no texts."""
    protocol = find_protocol(name)
    if protocol.make_text_codec is None:
        able = [each.name for each in PROTOCOLS.values() if each.chats]
        raise UserError(f"{protocol.name}: it carries no texts; choose {', '.join(able)}", subject="protocol")
    return protocol.make_text_codec(url, model, options)


def make_codec(name: str, url: ServerUrl, meta: BankMeta) -> Codec:
    """The codec of a protocol for one model. Raises UserError where it does not carry the payloads of `meta`."""
    protocol = find_protocol(name)
    if protocol.make_codec is None:
        raise UserError(
            f"{protocol.name}: it carries conversations; choose a scenario that has some, such as scenarios/agent.py",
            subject="protocol",
        )
    if meta.datatype != BODY or protocol is OWN_SERVICE:
        return protocol.make_codec(url, meta)
    if protocol.post_path is None:
        able = [each.name for each in PROTOCOLS.values() if each.post_path]
        raise UserError(
            f"{protocol.name}: it does not carry whole request bodies; choose {', '.join(able)} or json:PATH",
            subject="protocol",
        )
    return BodyCodec(protocol.name, url, protocol.post_path(meta.model), meta.request)
