"""Builds a load of conversations with the server of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from harness.errors import UserError
from harness.measure.load.chat.class_mix import ClassMix, drawn_classes
from harness.measure.load.chat.conversations import ConversationSource
from harness.measure.load.chat.openings import Openings
from harness.measure.load.chat.stream_connection import StreamConnection, StreamTimeouts
from harness.measure.load.chat.stream_ledger import StreamLedger
from harness.measure.load.chat.texts import TextMaker
from harness.measure.load.connections.server_address import resolve
from harness.measure.load.engine import Engine
from harness.measure.load.load_generator import Load
from harness.measure.load.payloads.payload_sets import ResponseReader, check_by_class
from harness.measure.load.payloads.response_check import PLAUSIBLE, RIGHT, WRONG
from harness.plan.chat_shape import Length
from harness.plan.load_options import chat_of_class
from harness.plan.request_lengths import TraceLengths
from harness.plan.request_mix import CHAT, ClassShare, RequestClass
from harness.record.rows import ABSENT
from harness.wire.credentials import Access
from harness.wire.http.chat_completions import OPENAI
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocols import chats, make_text_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.plan.load_settings import TrialLoad
    from harness.wire.language.text_codec import TextCodec
    from harness.wire.server_url import ServerUrl

ONLY_CHAT = (ClassShare(name=CHAT, request_class=RequestClass(verb=CHAT)),)
SEED_BITS = 32
LEAST_COSINE = 0.999  # of an embedding, or of the scores of documents, with the expected ones
# Opening prompts for a server without a prompt bank of its own.
DEFAULT_PROMPTS = (
    "Explain in two sentences how a bicycle stays upright.",
    "What should I cook tonight with rice, eggs and spinach?",
    "Write a short note that thanks a neighbour for watering the plants.",
    "Why is the sky blue in the day and red in the evening?",
    "How do I find out which process listens on a port?",
    "Summarise what a load test is for, for someone who has never run one.",
    "Give me three names for a small bakery near the harbour.",
    "What is the difference between latency and throughput?",
    "My train is late and I will miss the meeting. Draft a message to my team.",
    "How many legs do seven spiders and four ants have together? Show the steps.",
    "Describe the taste of a ripe pear without using the word sweet.",
    "Which questions should I ask before I rent a flat?",
    "Turn this into a haiku: the server waits, the queue grows, the users leave.",
    "What does a heat pump do, and when is it a good idea?",
    "Suggest a plan for learning the guitar in ten minutes a day.",
    "Is it better to sort a list before searching it? When, and why?",
    "Tell me about the history of the compass in a few sentences.",
    "How do bees find their way back to the hive?",
    "Write a function that counts the vowels in a text, in any language you like.",
    "What would you pack for a week of walking in the mountains in autumn?",
    "Explain compound interest with an example that uses small numbers.",
    "Why do we see the same side of the moon all the time?",
    "Make a list of five polite ways to say no to a meeting.",
    "What happens in a computer between pressing a key and seeing the letter?",
)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A request class of a load that chats; its payloads are the lines of the prompt bank."""

    share: ClassShare
    codec: TextCodec
    bank: PromptBank

    def labels(self) -> list[int]:
        """ABSENT for every line: prompts have no labels."""
        return [ABSENT] * len(self.bank.prompts)


def assemble_chat(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, Engine]:
    """A load of conversations and the engine that drives it. Raises UserError."""
    access = Access.find(Path(settings.tls_ca) if settings.tls_ca else None)
    urls = [parse_url(each, access) for each in (host, *settings.other_servers)]
    addresses = [resolve(url) for url in urls]
    others = [share.name for share in settings.classes if share.request_class.verb != CHAT]
    if others:
        raise UserError(f"mix: class {others[0]} does not chat, and the others do; measure them in two runs")
    sets: list[PromptSet] = []
    sources: list[ConversationSource] = []
    for share in settings.classes or ONLY_CHAT:
        first = sum(len(each.bank.prompts) for each in sets)
        prompts, source = _class_of(settings, share, urls, (len(sets), first))
        sets.append(prompts)
        sources.append(source)
    weights = [each.share.weight for each in sets]
    mix = ClassMix(sources, weights, settings.seed, settings.worker) if sources[1:] else sources[0]
    openings = Openings(mix, len(urls))
    while openings.make_one():
        pass
    codec = sets[0].codec
    checks = [continuation_check(each.bank, settings.check) for each in sets]
    reader = ResponseReader(check_by_class(checks, sets), codec.describe)
    load = Load(settings, sets, reader, StreamLedger)
    engine = Engine(
        lambda listener, user: StreamConnection(addresses, listener, openings, codec, user),
        [b""] * sum(len(each.bank.prompts) for each in sets),  # a conversation makes its own requests
        _payloads_not_sent(sets, settings),
        load.ledger,
        StreamTimeouts(*settings.timeouts_ns),
        load.health,
        original("select", "epoll"),
    )
    engine.request_maker = openings
    load.servers = tuple(map(str, urls)) if len(urls) > 1 else ()
    load.ledger.user_paced = any(source.pauses for source in sources)
    return load, engine


def _class_of(
    settings: TrialLoad, share: ClassShare, urls: Sequence[ServerUrl], place: tuple[int, int]
) -> tuple[PromptSet, ConversationSource]:
    """A request class and its conversations; `place`: its number, and that of its first prompt. Raises UserError."""
    number, first_payload = place
    chat = chat_of_class(share.request_class, settings.chat)
    if taken := chat.taken_by_class.get(share.name):
        chat = msgspec.structs.replace(chat, **taken._asdict())
    own = settings.class_banks.get(share.name)
    prompts_file = own or chat.prompts or settings.bank
    bank = PromptBank.load(Path(prompts_file)) if prompts_file else PromptBank(model="", prompts=DEFAULT_PROMPTS)
    protocol = settings.protocol if chats(settings.protocol) else OPENAI.name
    model = share.request_class.model or settings.model
    codecs = [make_text_codec(protocol, url, model, chat) for url in urls]
    codec = codecs[0]
    lengths = None
    if chat.lengths:
        lengths = TraceLengths(Path(chat.lengths), "--lengths", settings.worker, settings.workers)
    texts = TextMaker(bank, chat, unique=not prompts_file)
    seed = settings.seed + (number << SEED_BITS)  # no two classes have the same words
    source = ConversationSource(
        texts, len(bank.prompts), chat, lengths, seed, settings.worker, codecs=codecs, first_payload=first_payload
    )
    if not codec.converses:
        wanted = chat.texts or Length(low=codec.texts_in_request, high=codec.texts_in_request)
        source.send_texts(lambda rng: codec.message_count(wanted.draw(rng)))
    return PromptSet(share, codec, bank), source


def _payloads_not_sent(sets: Sequence[PromptSet], settings: TrialLoad) -> Iterator[int]:
    """A payload of the class of each request that is not sent; those that are sent have that of their conversation."""
    starts = [0, *accumulate(len(each.bank.prompts) for each in sets)]
    if len(sets) == 1:
        return repeat(0)
    drawn = drawn_classes([each.share.weight for each in sets], settings.seed, settings.worker)
    return (starts[number] for number in drawn)


def continuation_check(bank: PromptBank, mode: str) -> Check:
    """Checks whether the response to an opening line is a beginning of the bank's continuation, or extends it.

    Embeddings, and the scores of ranked documents, are compared by direction: `vector_check`.
    """
    if mode == "off" or not bank.known:
        return lambda _payload, _body: PLAUSIBLE
    if bank.vectors or bank.scores:
        return vector_check(bank.vectors or bank.scores)
    expected = [text.encode() for text in bank.expected]

    def check(payload: int, body: bytes) -> CheckResult:
        known = expected[payload]
        if len(body) > len(known):
            return RIGHT if body.startswith(known) else WRONG
        return RIGHT if known.startswith(body) else WRONG

    return check


def vector_check(vectors: Sequence[Sequence[float]]) -> Check:
    """Checks whether the vector of a prompt has a cosine of LEAST_COSINE or more with the expected one."""
    expected = [_unit(np.array(vector, np.float64)) for vector in vectors]

    def check(payload: int, body: bytes) -> CheckResult:
        vector, known = np.array(orjson.loads(body), np.float64), expected[payload]
        return RIGHT if vector.size == known.size and float(_unit(vector) @ known) >= LEAST_COSINE else WRONG

    return check


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-300)
