"""Asks a language model's server before the load which fields it takes and how it counts tokens."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.errors import UserError
from harness.measure.load.chat.texts import TextMaker
from harness.plan.chat_shape import MADE_WORDS
from harness.plan.load_options import chat_of_class
from harness.wire.bounded_http import NoResponseError, exchange
from harness.wire.credentials import Access
from harness.wire.language.first_request import ask_first
from harness.wire.language.generation_options import TakenFields
from harness.wire.language.prompts.prompt_form import FEWEST_WORDS, find_prompt_form
from harness.wire.language.prompts.prompt_vocabulary import find_vocabulary
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocols import chats, make_text_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.plan.chat_shape import ChatShape
    from harness.plan.load_settings import TrialLoad
    from harness.plan.plan import Plan
    from harness.plan.request_mix import RequestClass
    from harness.wire.language.prompts.vocabulary import Vocabulary
    from harness.wire.server_url import ServerUrl

PRIME_TIMEOUT_S = 120.0
PRIME_LIMIT_BYTES = 1 << 20
MOST_PRIMES = 64  # at once: a server may keep a cache for each of its slots


class Accepted(NamedTuple):
    """Fields of a ChatShape: what the server takes, and the words of one token each where they were needed."""

    length_field: str
    left_out: tuple[str, ...]
    taken_by_class: dict[str, TakenFields]
    vocabulary: Vocabulary | None = None
    system: bool = False
    made_words: int = MADE_WORDS


def first_requests(
    url: ServerUrl, protocol: str, model: str, shape: ChatShape, classes: Mapping[str, RequestClass]
) -> Accepted:
    """Ask a server, also for each request class whose requests are others. Raises UserError."""
    taken, by_class = _taken_fields(url, protocol, model, shape, classes)
    asked = msgspec.structs.replace(shape, **taken._asdict())
    if shape.needs_vocabulary:
        return Accepted(*taken, by_class, find_vocabulary(url, protocol, model, asked, shape.tokenizer))
    if not shape.makes_prompts:
        return Accepted(*taken, by_class)
    words = FEWEST_WORDS if shape.prompt_words else MADE_WORDS
    form = find_prompt_form(url, protocol, model, asked, (words, shape.output_tokens.high))
    return Accepted(*taken, by_class, system=form.system, made_words=form.words)


def _taken_fields(
    url: ServerUrl, protocol: str, model: str, shape: ChatShape, classes: Mapping[str, RequestClass]
) -> tuple[TakenFields, dict[str, TakenFields]]:
    """What a server takes of the load's own requests, and of each class with another model or fields of its own."""
    own = {name: (each.model or model, chat_of_class(each, shape)) for name, each in classes.items()}
    others = {name: (named, chat) for name, (named, chat) in own.items()
              if (named, chat.extra_body) != (model, shape.extra_body)}  # fmt: skip
    taken = ask_first(url, protocol, model, shape)
    return taken, {name: ask_first(url, protocol, *asked) for name, asked in others.items()}


class FirstRequests:
    """Asks each server once, for each protocol and model."""

    def __init__(self, plan: Plan) -> None:
        shapes = [plan.load_at(point).chat for point in plan.points]
        self._shape = next((shape for shape in shapes if shape.needs_vocabulary), plan.load.chat)
        self.needs_vocabulary = self._shape.needs_vocabulary
        self._classes = plan.chat_classes
        self._accepted: dict[tuple[str, str, str], Accepted] = {}

    def accepted_by(self, url: str, protocol: str, model: str, others: Iterable[str] = ()) -> Accepted | None:
        """What the server of a language model takes; None for payloads.

        others: URLs of further servers that get the same requests. Raises UserError, also where one of them takes other
        fields.
        """
        if not chats(protocol):
            return None
        key = url, protocol, model
        if key not in self._accepted:
            accepted = first_requests(parse_url(url), protocol, model, self._shape, self._classes)
            taken = TakenFields(accepted.length_field, accepted.left_out), accepted.taken_by_class
            for other in others:
                if _taken_fields(parse_url(other), protocol, model, self._shape, self._classes) != taken:
                    raise UserError(
                        f"--target {url},{other}: these servers do not take the same fields of requests; give those "
                        "that both take with --length-field and --extra-body, or measure one after the other"
                    )
            self._accepted[key] = accepted
        return self._accepted[key]


def prime(url: str, load: TrialLoad, users: int) -> None:
    """Send what all prompts begin with, as often at once as there are users, so that the server's cache holds it.

    A request that fails is left to the load, which reports such failures. Does nothing where nothing is shared.
    """
    shape, sizes = load.chat, load.chat.prompt_tokens
    if sizes is None or not shape.prefix_share:
        return
    server = parse_url(url, Access.find(Path(load.tls_ca) if load.tls_ca else None))
    codec = make_text_codec(load.protocol, server, load.model, shape)
    maker = TextMaker(PromptBank(model="", prompts=("",)), shape, unique=False)
    rng = Random(f"{shape.salt}/prime")  # noqa: S311  (no secret)
    longest = max(sizes.draw(rng) for _ in range(100))
    requests = [codec.encode(maker.opening(0, longest, rng).messages, 1) for _ in range(min(users, MOST_PRIMES))]

    def send(request: bytes) -> None:
        try:
            exchange(server, request, timeout_s=PRIME_TIMEOUT_S, limit_bytes=PRIME_LIMIT_BYTES)
        except NoResponseError:
            return

    threads = [threading.Thread(target=send, args=(request,), daemon=True) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
