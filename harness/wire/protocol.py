"""Describes one protocol: how requests are written, how responses are read, how a server that speaks it is found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.wire.codec import Codec
    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.text_codec import TextCodec
    from harness.wire.payload_bank import BankMeta
    from harness.wire.server_url import ServerUrl

AUTO = "auto"  # in place of a protocol's name: the server is asked which one it speaks
DEFAULT = "http-json"


class Transport(Enum):
    """What carries the messages; the load has one kind of connection for each."""

    HTTP = auto()  # HTTP/1.1, one whole response for each request
    EVENT_STREAM = auto()  # HTTP/1.1, a response is a stream of server-sent events
    GRPC = auto()  # unary calls over HTTP/2


@dataclass(frozen=True, slots=True, kw_only=True)
class WireProtocol:
    """One protocol, as the registry in `harness.wire.protocols` lists it.

    `make_codec(url, meta)` makes the codec for one model of one server; None where requests are not made of payloads
    but of texts: then `make_text_codec(url, model, options)` makes it. `post_path(model)` is where whole request bodies
    of the user's own are posted; None where bodies are no JSON. `is_spoken(url, model)` asks a server whether it speaks
    the protocol. `read_meta(url, model)` reads names, shapes and datatype from the server's own metadata; None where
    the protocol has none. Both raise UserError where the server does not respond.
    """

    name: str
    doc: str
    transport: Transport = Transport.HTTP
    aliases: tuple[str, ...] = ()
    make_codec: Callable[[ServerUrl, BankMeta], Codec] | None = None
    make_text_codec: Callable[[ServerUrl, str, GenerationOptions], TextCodec] | None = None
    post_path: Callable[[str], str] | None = None
    is_spoken: Callable[[ServerUrl, str], bool] = lambda _url, _model: False
    read_meta: Callable[[ServerUrl, str], BankMeta] | None = None
    gives_results: bool = False  # of texts: a result for each, such as an embedding, and no output tokens
    carries_bytes: bool = False  # whether tensors are sent as bytes, which hold NaN and texts that are no UTF-8
    takes_rows: bool = False  # whether a request may hold several items along a batch axis
    own_paths: bool = False  # whether the paths of the server are its own, none of which is known
    swept: bool = False  # whether `sweep protocol` tries it

    @property
    def chats(self) -> bool:
        """Whether it carries texts for a language model instead of payloads."""
        return self.make_text_codec is not None
