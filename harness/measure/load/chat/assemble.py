"""Puts together a load of conversations with a server that speaks OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from harness.measure.load.chat.connection import StreamConnection, StreamTimeouts
from harness.measure.load.chat.conversations import ConversationSource
from harness.measure.load.chat.default_prompts import QUESTIONS
from harness.measure.load.chat.ledger import StreamLedger
from harness.measure.load.connections.connection import resolve
from harness.measure.load.engine import Engine
from harness.measure.load.generator import Load, make_folder
from harness.measure.load.payloads.payload_sets import Reading
from harness.measure.load.payloads.response_check import PLAUSIBLE, RIGHT, WRONG
from harness.plan.chat_shape import read_lengths
from harness.record.rows import ABSENT
from harness.wire.chat_completions import ChatCodec
from harness.wire.credentials import Access
from harness.wire.prompt_bank import PromptBank
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from harness.measure.load.payloads.response_check import Check, Verdict
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare


@dataclass(frozen=True, slots=True)
class PromptSet:
    """What the one request class of a chat says; its payloads are the lines of the bank."""

    share: ClassShare
    codec: ChatCodec
    bank: PromptBank

    def labels(self) -> list[int]:
        """A line has no class."""
        return [ABSENT] * len(self.bank.prompts)


def assemble_chat(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, Engine]:
    """A load of conversations and the engine that drives it. Raises UserError."""
    url = parse_url(host, Access.find(Path(settings.tls_ca) if settings.tls_ca else None))
    address = resolve(url)
    prompts_file = settings.chat.prompts or settings.bank
    bank = PromptBank.load(Path(prompts_file)) if prompts_file else PromptBank(model="", prompts=QUESTIONS)
    codec = ChatCodec(url, settings.model, ignore_eos=settings.chat.ignore_eos)
    pairs = read_lengths(Path(settings.chat.lengths), "--lengths") if settings.chat.lengths else []
    source = ConversationSource(bank, settings.chat, pairs, settings.seed, settings.worker)
    prompts = PromptSet(settings.classes[0], codec, bank)
    make_folder(Path(settings.trial_dir))
    reading = Reading(continuation_check(bank, settings.check), codec.describe)
    load = Load(settings, [prompts], reading, StreamLedger)
    engine = Engine(
        lambda owner, user: StreamConnection(address, owner, source, codec, user),
        [b""],  # a conversation knows its own requests
        repeat(0),
        load.ledger,
        StreamTimeouts(*settings.timeouts_ns),
        load.health,
        original("select", "epoll"),
    )
    return load, engine


def continuation_check(bank: PromptBank, mode: str) -> Check:
    """Is an answer to an opening line where the bank's continuation of it begins?"""
    if mode == "off" or not bank.expected:
        return lambda _payload, _body: PLAUSIBLE
    expected = [text.encode() for text in bank.expected]

    def check(payload: int, body: bytes) -> Verdict:
        known = expected[payload]
        if len(body) > len(known):
            return RIGHT if body.startswith(known) else WRONG
        return RIGHT if known.startswith(body) else WRONG

    return check
