"""Builds a load of conversations with the server of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from harness.measure.load.chat.connection import StreamConnection, StreamTimeouts
from harness.measure.load.chat.conversations import ConversationSource
from harness.measure.load.chat.ledger import StreamLedger
from harness.measure.load.chat.openings import Openings
from harness.measure.load.chat.texts import TextMaker
from harness.measure.load.connections.connection import resolve
from harness.measure.load.engine import Engine
from harness.measure.load.load_generator import Load
from harness.measure.load.payloads.payload_sets import ResponseReader
from harness.measure.load.payloads.response_check import PLAUSIBLE, RIGHT, WRONG
from harness.plan.chat_shape import Length
from harness.plan.request_lengths import TraceLengths
from harness.record.rows import ABSENT
from harness.wire.credentials import Access
from harness.wire.http.chat_completions import OPENAI
from harness.wire.prompt_bank import PromptBank
from harness.wire.protocols import chats, make_text_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare
    from harness.wire.language.text_codec import TextCodec

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
    """The one request class of a load that chats; its payloads are the lines of the prompt bank."""

    share: ClassShare
    codec: TextCodec
    bank: PromptBank

    def labels(self) -> list[int]:
        """ABSENT for every line: prompts have no labels."""
        return [ABSENT] * len(self.bank.prompts)


def assemble_chat(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, Engine]:
    """A load of conversations and the engine that drives it. Raises UserError."""
    url = parse_url(host, Access.find(Path(settings.tls_ca) if settings.tls_ca else None))
    address = resolve(url)
    prompts_file = settings.chat.prompts or settings.bank
    bank = PromptBank.load(Path(prompts_file)) if prompts_file else PromptBank(model="", prompts=DEFAULT_PROMPTS)
    chat = settings.chat
    codec = make_text_codec(settings.protocol if chats(settings.protocol) else OPENAI.name, url, settings.model, chat)
    lengths = None
    if settings.chat.lengths:
        lengths = TraceLengths(Path(settings.chat.lengths), "--lengths", settings.worker, settings.workers)
    texts = TextMaker(bank, chat, unique=not prompts_file)
    source = ConversationSource(texts, len(bank.prompts), chat, lengths, settings.seed, settings.worker)
    if not codec.converses:
        wanted = chat.texts or Length(low=codec.texts_in_request, high=codec.texts_in_request)
        source.send_texts(lambda rng: codec.message_count(wanted.draw(rng)))
    openings = Openings(source, codec)
    while openings.make_one():
        pass
    prompts = PromptSet(settings.classes[0], codec, bank)
    reader = ResponseReader(continuation_check(bank, settings.check), codec.describe)
    load = Load(settings, [prompts], reader, StreamLedger)
    engine = Engine(
        lambda listener, user: StreamConnection(address, listener, openings, codec, user),
        [b""],  # a conversation makes its own requests
        repeat(0),
        load.ledger,
        StreamTimeouts(*settings.timeouts_ns),
        load.health,
        original("select", "epoll"),
    )
    engine.request_maker = openings
    return load, engine


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
