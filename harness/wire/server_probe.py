"""Asks a server before a load: which protocol it speaks, what its model takes, whether it accepts the payloads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError
from harness.wire.bounded_http import OK, BoundedResponse, NoResponseError, exchange
from harness.wire.codec import WireError
from harness.wire.failure_text import body_text, quoted, reported_in
from harness.wire.grpc.call import call_once
from harness.wire.grpc.call_status import Code
from harness.wire.grpc.own_service import OWN_SERVICE
from harness.wire.http.raw_bodies import HTTP
from harness.wire.own.expectation import SUCCESSES
from harness.wire.own.expectation_text import expectation_of
from harness.wire.own.request_form import Content
from harness.wire.protocol import AUTO, Transport
from harness.wire.protocols import PROTOCOLS, find_protocol, make_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from harness.wire.codec import Codec
    from harness.wire.credentials import Access
    from harness.wire.own.expectation import Expectation
    from harness.wire.payload_bank import Bank, BankMeta
    from harness.wire.server_url import ServerUrl

UPGRADE_REQUIRED = 426
FIRST_TIMEOUT_S = 30.0  # the first request may load the model
FIRST_LIMIT_BYTES = 64 << 20
_JSON = re.compile(r"(application|text)/(json|[^/]+\+json)")
_JSON_LINES = re.compile(r"(application|text)/(x-)?(ndjson|jsonl|jsonlines|json-lines)")
_NOT_WHOLE = {  # why a status of success is no answer
    202: ": it was accepted, and its result comes later",
    206: ": only a part of the response came",
    207: ": each part has a status of its own",
}
_ADVICE = "check model, payloads and protocol"


def settle_protocol(name: str, url: str, model: str, access: Access | None = None) -> str:
    """The protocol called `name`; the one that the server speaks where that is `auto`. Raises UserError."""
    if name == AUTO:
        return detect_protocol(url, model, access)
    protocol = find_protocol(name)
    if parse_url(url).query and protocol is not HTTP:
        raise UserError(f"{url}: {name} has paths of its own, and no place for a query; leave it out", "server")
    if parse_url(url).is_grpc and protocol.transport is not Transport.GRPC:
        raise UserError(f"{name}: {url} says gRPC; give the server's HTTP URL, or a protocol over gRPC", "protocol")
    return protocol.name


def detect_protocol(url: str, model: str, access: Access | None = None) -> str:
    """The protocol that a server speaks; `http` where it speaks none that is known and the URL has a path.

    Raises UserError where it does not respond, or speaks none that is known.
    """
    server = parse_url(url, access)
    if server.query:
        return HTTP.name
    for protocol in PROTOCOLS.values():
        if (protocol.transport is Transport.GRPC) == server.is_grpc and protocol.is_spoken(server, model):
            return protocol.name
    if server.path != "/" and not server.is_grpc:
        return HTTP.name
    names = ", ".join(PROTOCOLS)
    raise UserError(
        f"{url}: it shows no sign of a known protocol; is {model} the model that it serves? Otherwise name the "
        f"protocol: {names}, or plain JSON such as json:/predict?send=inputs[]&take=outputs.0; or give the whole URL "
        "of a service of your own, and a --body",
        "server",
    )


def read_meta(url: str, model: str, protocol: str, access: Access | None = None) -> BankMeta:
    """Names, shapes and datatype from the server's own metadata; a free size is FREE. Raises UserError."""
    found = find_protocol(protocol)
    if found.read_meta is None:
        raise UserError(f"{protocol}: it does not say what a model takes; give payloads of your own", "protocol")
    return found.read_meta(parse_url(url, access), model)


class FirstResponse(NamedTuple):
    """How long the first response took (s), None where nothing is sent; and the bank with what it says of the others.

    That is, of requests of the user's own, the charset where conditions read it and it is not UTF-8, or without
    conditions whether each response must be JSON.
    """

    took_s: float | None
    bank: Bank


def ask_once(url: str, protocol: str, bank: Bank, expect: str = "", requests: int = 1) -> FirstResponse:
    """Send the first payload, so that a server that refuses it does so once and not ten thousand times.

    `requests`: how many are sent, one after the other, of which only the first is looked into. Nothing is sent to a
    model over gRPC, whose metadata are typed. A cold server is slow once, so the time is returned. Raises UserError
    where the payload is refused, where the response does not have as many numbers as the bank expects, and where it
    cannot be what the user expects of any.
    """
    found = find_protocol(protocol)
    if found.transport is Transport.GRPC and found is not OWN_SERVICE:
        return FirstResponse(None, bank)
    server = parse_url(url)
    codec = make_codec(protocol, server, bank.meta)
    request = codec.encode(bank.inputs[0])
    began_ns = monotonic_ns()
    response = _call(server, request) if found is OWN_SERVICE else _exchange(server, request)
    took_s = (monotonic_ns() - began_ns) / NS_PER_S
    expectation = expectation_of(expect, bank.meta.request)
    if expectation and response.status in SUCCESSES and response.status not in expectation.statuses:
        raise UserError(
            f"{url}: {_first(bank, request)} got HTTP {response.status}, which --expect does not allow; where it is "
            f"right, say --expect status={response.status}",
            "server",
        )
    if response.status not in (expectation.statuses if expectation else SUCCESSES):
        reason = codec.describe(response.status, _without_secrets(response.body, server))
        reason += "; it speaks another protocol, such as WebSocket" if response.status == UPGRADE_REQUIRED else ""
        reason += _NOT_WHOLE.get(response.status, "")
        reason += f", it leads to {quoted(response.location)}" if response.location else ""
        allow = f", or say --expect status={response.status}" if response.status in _NOT_WHOLE else ""
        raise UserError(f"{url}: {_first(bank, request)} was refused ({reason}); {_advice(bank)}{allow}", "server")
    if len(bank.expected):
        _check_size(url, codec, response.body, bank)
    bank = _as_declared(url, bank, response, expectation)
    codec = make_codec(protocol, server, bank.meta)
    if expectation and not expectation.conditions and response.status not in expectation.right_by_status:
        _check_report(url, response)
    elif expectation and response.status in SUCCESSES:
        _check_fields(url, codec, expectation, response.body)
    elif bank.meta.request and not expectation:
        _check_answer(url, codec, response)
    for number in range(1, requests):
        again = codec.encode(bank.inputs[number % len(bank.inputs)])
        _call(server, again) if found is OWN_SERVICE else _exchange(server, again)
    return FirstResponse(took_s, bank)


def _as_declared(url: str, bank: Bank, response: BoundedResponse, expectation: Expectation | None) -> Bank:
    """`bank` with what the first response declares. Raises UserError for a charset that is needed and not known."""
    form = bank.meta.request
    if form is None:
        return bank
    responds = Content.ANY if expectation else _content(response)
    is_read = bool(responds) or (expectation is not None and bool(expectation.conditions))
    charset = _charset(url, response.charset) if is_read else ""
    form = msgspec.structs.replace(form, charset=charset, responds=responds)
    return replace(bank, meta=msgspec.structs.replace(bank.meta, request=form))


def _content(response: BoundedResponse) -> Content:
    """What the response says that it is; without a type it is what it can be read as."""
    kind = response.media_type
    if _JSON_LINES.fullmatch(kind):
        return Content.JSON_LINES
    is_document = isinstance(response.document(), dict | list)
    return Content.JSON if _JSON.fullmatch(kind) or (not kind and is_document) else Content.ANY


def _charset(url: str, declared: str) -> str:
    """The charset that a response declares; empty for UTF-8. Raises UserError for one that Python does not know."""
    try:
        b"a".decode(declared or "utf-8", "replace")  # refuses codecs that make no text, too
    except (LookupError, ValueError) as error:
        raise UserError(
            f"{url}: the first response declares the charset {quoted(declared)}, which is not known here; correct "
            "Content-Type, or check the status alone with --expect status=200",
            "server",
        ) from error
    return "" if declared in ("", "utf-8", "utf8", "us-ascii", "ascii") else declared


def _exchange(server: ServerUrl, request: bytes) -> BoundedResponse:
    try:
        return exchange(server, request, timeout_s=FIRST_TIMEOUT_S, limit_bytes=FIRST_LIMIT_BYTES)
    except NoResponseError as error:
        raise UserError(f"{server}: the first request got no response ({error}); {error.remedy}", "server") from error


def _call(server: ServerUrl, request: bytes) -> BoundedResponse:
    """The response to a call over gRPC; status 0 where it failed."""
    response = call_once(server, request, FIRST_TIMEOUT_S)
    if response.code == Code.OK:
        return BoundedResponse(OK, response.message)
    return BoundedResponse(0, f"{Code(response.code).name}: {response.detail}".encode())


def _without_secrets(body: bytes, server: ServerUrl) -> bytes:
    """A server may repeat in its complaint what a request carries."""
    for secret in server.access.secrets:
        body = body.replace(secret.encode(), b"...")
    return body


def _first(bank: Bank, request: bytes) -> str:
    """The first request, in words."""
    if bank.meta.request is None:
        return f"the first request of {bank.meta.model}"
    if bank.meta.request.descriptors:
        return f"the first call of {bank.meta.request.method}"
    method, path, *_ = request.split(b" ", 2)
    return f"the first request ({method.decode()} {path.decode()})"


def _advice(bank: Bank) -> str:
    form = bank.meta.request
    if form is None:
        return _ADVICE
    if form.method == "GET":
        return "check the URL; where the service takes a body, give it with --body, --form or --bank FILE.jsonl"
    return "check the URL, --method, --header and the body"


def _check_fields(url: str, codec: Codec, expectation: Expectation, body: bytes) -> None:
    """Raise UserError where a condition is about a value that the first response does not have at all."""
    try:
        text = codec.readable(body)
    except WireError as error:
        raise UserError(f"{url}: the first response cannot be read ({error})", "server") from error
    if missing := expectation.missing(text):
        raise UserError(
            f"the first response has another form: {missing}; {url} answered {body_text(text)}", "expectation"
        )


def _check_report(url: str, response: BoundedResponse) -> None:
    """Raise UserError where the first response reports a failure, or is a page."""
    said = reported_in(response.body)
    if said is not None:
        raise UserError(
            f"{url}: the first response, HTTP {response.status}, is no answer ({said}); where it is right, say what is "
            "right of it with --expect, such as 'body contains WORD'",
            "server",
        )


def _check_answer(url: str, codec: Codec, response: BoundedResponse) -> None:
    _check_report(url, response)
    try:
        codec.require_answer(response.body)
    except WireError as error:
        raise UserError(
            f"{url}: the first response, HTTP {response.status}, is no answer ({error}); where it is right, say "
            f"--expect status={response.status}",
            "server",
        ) from error


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
