"""Asks a language model's server once before a load: which fields it takes, and whether it responds at all."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import msgspec

from harness.clock import NS_PER_S, MonotonicClock
from harness.errors import UserError
from harness.wire.bounded_http import OK, NoResponseError, exchange, get
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.credentials import TOKEN, TOKEN_FILE
from harness.wire.failure_text import body_text
from harness.wire.http.refusal import REFUSED_STATUSES
from harness.wire.language.generation_options import LENGTH_FIELDS, TakenFields
from harness.wire.protocols import make_text_codec

if TYPE_CHECKING:
    from harness.wire.bounded_http import BoundedResponse
    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.text_codec import TextCodec
    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 60.0  # the first request may load the model
LIMIT_BYTES = 16 << 20
TOKENS = 4  # asked for
MOST_TRIES = 8
MOST_WAITS, LONGEST_WAIT_S = 3, 10.0
UNKNOWN, UNAUTHORISED = 404, (401, 403)
BAD_REQUEST = (400, 422)
MESSAGE = {"role": "user", "content": "Name a colour."}

logger = logging.getLogger(__name__)


def ask_first(url: ServerUrl, protocol: str, model: str, options: GenerationOptions) -> TakenFields:
    """Send one short request, again without each field that the server refuses; what is left out is logged.

    A server that is busy (REFUSED_STATUSES) is asked again, and taken as it is after a few times. Raises UserError, in
    the server's words, where it does not respond or refuses the request altogether.
    """
    left_out: list[str] = list(options.left_out)
    length_field = options.length_field
    clock = MonotonicClock()
    waits = 0
    for _ in range(MOST_TRIES):
        tried = msgspec.structs.replace(options, length_field=length_field, left_out=tuple(left_out))
        codec = make_text_codec(protocol, url, model, tried)
        response = _response(url, codec)
        if response.status in REFUSED_STATUSES:
            waits += 1
            if waits > MOST_WAITS:
                break
            clock.sleep_until_ns(clock.now_ns() + round(LONGEST_WAIT_S * NS_PER_S * 4.0 ** (waits - MOST_WAITS)))
            continue
        if 200 <= response.status < 300:
            break
        said = body_text(response.body)
        refused = _refused_field(codec, tried, response.body) if response.status in BAD_REQUEST else ""
        if not refused:
            raise UserError(f"{url}: {_refusal(codec, response, said, model)}", "server")
        if refused in LENGTH_FIELDS:
            length_field = next(name for name in LENGTH_FIELDS if name != refused)
            logger.warning("%s refuses %s; %s is sent instead (%s)", url, refused, length_field, said)
        else:
            left_out.append(refused)
            logger.warning("%s refuses %s, which is left out (%s)", url, refused, said)
    return TakenFields(length_field, tuple(sorted(left_out)))


def _response(url: ServerUrl, codec: TextCodec) -> BoundedResponse:
    try:
        return exchange(url, codec.encode([MESSAGE], TOKENS), timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES)
    except NoResponseError as error:
        raise UserError(f"{url}: the first request got no response ({error}); {error.remedy}", "server") from error


def _refused_field(codec: TextCodec, options: GenerationOptions, body: bytes) -> str:
    """The field of ours that a complaint names; empty where it names none that can be changed or left out."""
    text = body.decode("utf-8", "replace")
    sent = codec.length_field and (options.length_field or codec.length_field)
    names = [name for name in codec.adaptable if name not in (*options.left_out, *options.extra_body)]
    if sent in LENGTH_FIELDS and not options.length_field:
        names.append(sent)
    param = _param(body)
    if param in names:
        return param
    return next((name for name in names if re.search(rf"\b{name}\b", text)), "")


def _param(body: bytes) -> str:
    """The value of `error.param`, with which OpenAI names the field."""
    try:
        document = parse_json(body)
    except JsonError:
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return str(error.get("param") or "") if isinstance(error, dict) else ""


def _refusal(codec: TextCodec, response: BoundedResponse, said: str, model: str) -> str:
    """Why the first request was refused, and what to do."""
    why = f"the first request was refused (HTTP {response.status}: {said})"
    if response.status in UNAUTHORISED:
        return f"{why}; set {TOKEN}, or {TOKEN_FILE} to the path of a file, or give the --header that it wants"
    if response.status == UNKNOWN:
        known = _models(codec.base)
        remedy = f"its models are {', '.join(known)}" if known and model not in known else "is this its base URL?"
        return f"{why} at {codec.base.prefix}{codec.path}; {remedy}"
    return f"{why}; --extra-body, --length-field and --ignore-eos change what is sent"


def _models(base: ServerUrl) -> list[str]:
    try:
        response = get(base, "/models")
        document: Any = response.document()
        return [str(each["id"]) for each in document["data"]][:10] if response.status == OK else []
    except (NoResponseError, KeyError, TypeError):
        return []
