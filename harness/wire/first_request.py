"""One request before the load: a server that refuses the payloads says so once, and not ten thousand times."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.wire.codec import WireError, make_codec
from harness.wire.protocols import GRPC
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from harness.wire.codec import Codec
    from harness.wire.payload_bank import Bank

TIMEOUT_S = 30.0  # the first request may load the model
_ADVICE = "check --model, the payloads (--bank, --reference, --shape) and --protocol"


def ask_once(url: str, protocol: str, bank: Bank) -> None:
    """Send the first payload. Raises UserError where it is refused, or its answer is not what the bank expects in size.

    Nothing is asked over gRPC, whose metadata are typed.
    """
    if protocol == GRPC:
        return
    server = parse_url(url)
    codec = make_codec(protocol, server, bank.meta)
    connection = server.http_connection(TIMEOUT_S)
    try:
        connection.connect()
        connection.sock.sendall(codec.encode(bank.inputs[0]))
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"--target {url}: the first request got no answer ({reason}); is this its port?") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        said = codec.describe(answer.status, body)
        raise UserError(f"--target {url}: the first request of {bank.meta.model} was refused ({said}); {_ADVICE}")
    if len(bank.expected):
        _check_answer(url, codec, body, bank)


def _check_answer(url: str, codec: Codec, body: bytes, bank: Bank) -> None:
    try:
        count = codec.decode(body).size
    except WireError as error:
        raise UserError(f"--target {url}: the first answer cannot be read ({error}); {_ADVICE}") from error
    if count != bank.expected[0].size:
        raise UserError(
            f"--target {url}: the first answer of {bank.meta.model} has {count} numbers, but the right one has "
            f"{bank.expected[0].size}; {_ADVICE}, or say --check off"
        )
