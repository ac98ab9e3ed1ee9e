"""Builds a load of conversations with a server that speaks OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from harness.measure.load.chat.connection import StreamConnection, StreamTimeouts
from harness.measure.load.chat.conversations import ConversationSource
from harness.measure.load.chat.default_prompts import DEFAULT_PROMPTS
from harness.measure.load.chat.ledger import StreamLedger
from harness.measure.load.connections.connection import resolve
from harness.measure.load.engine import Engine
from harness.measure.load.generator import Load
from harness.measure.load.payloads.payload_sets import ResponseReader
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

    from harness.measure.load.payloads.response_check import Check, CheckResult
    from harness.plan.load_settings import TrialLoad
    from harness.plan.request_mix import ClassShare


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The one request class of a load that chats; its payloads are the lines of the prompt bank."""

    share: ClassShare
    codec: ChatCodec
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
    codec = ChatCodec(url, settings.model, ignore_eos=settings.chat.ignore_eos)
    pairs = read_lengths(Path(settings.chat.lengths), "--lengths") if settings.chat.lengths else []
    source = ConversationSource(bank, settings.chat, pairs, settings.seed, settings.worker)
    prompts = PromptSet(settings.classes[0], codec, bank)
    reader = ResponseReader(continuation_check(bank, settings.check), codec.describe)
    load = Load(settings, [prompts], reader, StreamLedger)
    engine = Engine(
        lambda listener, user: StreamConnection(address, listener, source, codec, user),
        [b""],  # a conversation makes its own requests
        repeat(0),
        load.ledger,
        StreamTimeouts(*settings.timeouts_ns),
        load.health,
        original("select", "epoll"),
    )
    return load, engine


def continuation_check(bank: PromptBank, mode: str) -> Check:
    """Checks whether the response to an opening line is a beginning of the bank's continuation, or extends it."""
    if mode == "off" or not bank.expected:
        return lambda _payload, _body: PLAUSIBLE
    expected = [text.encode() for text in bank.expected]

    def check(payload: int, body: bytes) -> CheckResult:
        known = expected[payload]
        if len(body) > len(known):
            return RIGHT if body.startswith(known) else WRONG
        return RIGHT if known.startswith(body) else WRONG

    return check
