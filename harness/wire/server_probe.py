"""Asks a server before a load: which protocol it speaks, what its model takes, whether it accepts the payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.wire.bounded_http import NoResponseError, exchange
from harness.wire.codec import WireError
from harness.wire.protocol import AUTO, Transport
from harness.wire.protocols import PROTOCOLS, find_protocol, make_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from harness.wire.codec import Codec
    from harness.wire.credentials import Access
    from harness.wire.payload_bank import Bank, BankMeta

FIRST_TIMEOUT_S = 30.0  # the first request may load the model
FIRST_LIMIT_BYTES = 64 << 20
_ADVICE = "check model, payloads and protocol"


def settle_protocol(name: str, url: str, model: str, access: Access | None = None) -> str:
    """The protocol called `name`; the one that the server speaks where that is `auto`. Raises UserError."""
    if name == AUTO:
        return detect_protocol(url, model, access)
    protocol = find_protocol(name)
    if parse_url(url).is_grpc and protocol.transport is not Transport.GRPC:
        raise UserError(f"{name}: {url} says gRPC; give the server's HTTP URL, or a protocol over gRPC", "protocol")
    return protocol.name


def detect_protocol(url: str, model: str, access: Access | None = None) -> str:
    """The protocol that a server speaks. Raises UserError where it does not respond, or speaks none that is known."""
    server = parse_url(url, access)
    for protocol in PROTOCOLS.values():
        if (protocol.transport is Transport.GRPC) == server.is_grpc and protocol.is_spoken(server, model):
            return protocol.name
    names = ", ".join(PROTOCOLS)
    raise UserError(
        f"{url}: it shows no sign of a known protocol; is {model} the model that it serves? Otherwise name the "
        f"protocol: {names}, or plain JSON such as json:/predict?send=inputs[]&take=outputs.0",
        "server",
    )


def read_meta(url: str, model: str, protocol: str, access: Access | None = None) -> BankMeta:
    """Names, shapes and datatype from the server's own metadata; a free size is FREE. Raises UserError."""
    found = find_protocol(protocol)
    if found.read_meta is None:
        raise UserError(f"{protocol}: it does not say what a model takes; give payloads of your own", "protocol")
    return found.read_meta(parse_url(url, access), model)


def ask_once(url: str, protocol: str, bank: Bank) -> None:
    """Send the first payload, so that a server that refuses it does so once and not ten thousand times.

    Nothing is sent over gRPC, whose metadata are typed. Raises UserError where the payload is refused, or where the
    response does not have as many numbers as the bank expects.
    """
    if find_protocol(protocol).transport is not Transport.HTTP:
        return
    server = parse_url(url)
    codec = make_codec(protocol, server, bank.meta)
    request = codec.encode(bank.inputs[0])
    try:
        response = exchange(server, request, timeout_s=FIRST_TIMEOUT_S, limit_bytes=FIRST_LIMIT_BYTES)
    except NoResponseError as error:
        raise UserError(f"{url}: the first request got no response ({error}); is this its port?", "server") from error
    if not 200 <= response.status < 300:
        reason = codec.describe(response.status, response.body)
        raise UserError(f"{url}: the first request of {bank.meta.model} was refused ({reason}); {_ADVICE}", "server")
    if len(bank.expected):
        _check_size(url, codec, response.body, bank)


def _check_size(url: str, codec: Codec, body: bytes, bank: Bank) -> None:
    try:
        count = codec.decode(body).size
    except WireError as error:
        raise UserError(f"{url}: the first response cannot be read ({error}); {_ADVICE}", "server") from error
    if count != bank.expected[0].size:
        raise UserError(
            f"{url}: the first response of {bank.meta.model} has {count} numbers, but {bank.expected[0].size} are "
            f"expected; {_ADVICE}, or check no predictions",
            "server",
        )
