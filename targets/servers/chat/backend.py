"""`agent`: sequences share the steps of one language model, and every token is sent as soon as it exists.

A step runs on the event loop: it takes about a millisecond, and the batch can only change between steps anyway.
Between two steps the loop reads, accepts and refuses requests.
"""

from __future__ import annotations

import sys
import traceback
from itertools import count
from typing import TYPE_CHECKING

from harness.clock import monotonic_ns, wall_time
from targets.generation.language_model import Chunk
from targets.generation.sampling import next_tokens
from targets.generation.scheduler import BatchLimits
from targets.servers.backend import Backend
from targets.servers.chat.chat_response import StreamedResponse, WholeResponse
from targets.servers.chat.frames import Frames, inside_json
from targets.servers.chat.requests import parse_chat
from targets.servers.compute import MODEL_FAILED

if TYPE_CHECKING:
    import asyncio

    from harness.plan.knobs import Setting
    from targets.generation.language_model import LanguageModel
    from targets.generation.scheduler import ScheduledTokens, Scheduler
    from targets.generation.sequence import Sequence
    from targets.servers.chat.chat_response import ChatResponse
    from targets.servers.chat.protocol import ChatProtocol
    from targets.servers.chat.telemetry import ChatTelemetry
    from targets.servers.http.exchange import HttpExchange

WARM_SEQUENCES = (1, 4, 16)


def limits_of(setting: Setting) -> BatchLimits:
    """The batch limits that the knobs set."""
    return BatchLimits(
        max_sequences=int(setting["max_sequences"]),
        max_batch_tokens=int(setting["max_batch_tokens"]),
        queue_limit=int(setting["queue_limit"]),
        continuous=setting["scheduling"] == "continuous",
        kv_cache=bool(setting["kv_cache"]),
    )


class ChatBackend(Backend):
    """Responds to chat completion requests, on the event loop."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, protocol: ChatProtocol, model: LanguageModel, scheduler: Scheduler, token_limit: int) -> None:
        self._protocol = protocol
        self._telemetry: ChatTelemetry = protocol.telemetry
        self._model = model
        self._scheduler = scheduler
        self._token_limit = token_limit
        self._responses: dict[Sequence, ChatResponse] = {}
        self._texts = [inside_json(model.tokenizer.text(token)) for token in range(model.tokenizer.size)]
        self._numbers = count()
        self._turn_is_due = False
        self._stopped = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the slow first steps before any request."""
        self._loop = loop
        for sequences in WARM_SEQUENCES:
            self._model.logits([Chunk(slot, 0, (0, 0)) for slot in range(sequences)])
            self._model.logits([Chunk(slot, 2, (0,)) for slot in range(sequences)])

    def stop(self) -> None:
        """Run no more steps. Clients of the waiting requests have disconnected by then."""
        self._stopped = True

    def has_room(self) -> bool:
        """Whether the queue can take one more sequence."""
        return self._scheduler.has_room()

    def apply(self, setting: Setting) -> None:
        """Apply new values of the live knobs."""
        self._scheduler.limits = limits_of(setting)
        self._token_limit = int(setting["token_limit"])
        self._schedule_turn()

    def infer(self, exchange: HttpExchange, body: bytes) -> bool:
        """Decode the request and queue it; False where the queue is full. Raises ProtocolError."""
        if not self._scheduler.has_room():
            return False
        model = self._model
        request = parse_chat(body, self._protocol.card.name, model.tokenizer, model.shape, self._token_limit)
        frames = Frames(next(self._numbers), self._protocol.card.name, int(wall_time().timestamp()))
        response: ChatResponse
        if request.stream:
            response = StreamedResponse(exchange, frames, self._texts, include_usage=request.include_usage)
        else:
            response = WholeResponse(exchange, frames, model.tokenizer)
        sequence = request.sequence
        self._scheduler.offer(sequence, monotonic_ns())
        self._responses[sequence] = response
        exchange.on_gone = lambda: self._cancel(sequence)
        self._schedule_turn()
        return True

    def _cancel(self, sequence: Sequence) -> None:
        """Free the place of a client that has disconnected."""
        if self._responses.pop(sequence, None) is not None:
            self._scheduler.cancel(sequence)
            self._telemetry.requests["cancelled"] += 1
            self._schedule_turn()

    def _schedule_turn(self) -> None:
        # Runs after all readable connections have been read: requests that arrive together join together.
        if not self._turn_is_due and not self._stopped:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        start_ns = monotonic_ns()
        step = self._scheduler.next_step(start_ns)
        if not step or self._stopped:
            return
        try:
            self._advance(step, start_ns)
        except Exception:  # noqa: BLE001  (the model is foreign code: its failure is the batch's, not the server's)
            traceback.print_exc(file=sys.stderr)
            self._fail_batch(step)
        self._schedule_turn()

    def _advance(self, step: list[ScheduledTokens], start_ns: int) -> None:
        chunks = [
            Chunk(sequence.slot, sequence.computed, sequence.tokens[sequence.computed : sequence.computed + work.count])
            for work in step
            for sequence in (work.sequence,)
        ]
        logits = self._model.logits(chunks)
        rows = [row for row, work in enumerate(step) if work.completes]
        due = self._scheduler.complete(step)
        if due:
            tokens = next_tokens(logits[rows], due, self._model.tokenizer.end)
            self._deliver(due, tokens, monotonic_ns())
            self._scheduler.retire(due)
        self._telemetry.step_tokens.observe(sum(work.count for work in step))
        self._telemetry.step_ns.observe(monotonic_ns() - start_ns)

    def _deliver(self, due: list[Sequence], tokens: list[int], now_ns: int) -> None:
        telemetry, end = self._telemetry, self._model.tokenizer.end
        for sequence, token in zip(due, tokens, strict=True):
            response = self._responses.get(sequence)
            if response is None:
                continue  # cancelled by a write to an earlier one
            if sequence.output_count == 0:
                telemetry.queue_ns.observe(sequence.admitted_ns - sequence.arrived_ns)
                telemetry.first_token_ns.observe(now_ns - sequence.arrived_ns)
                response.begin(sequence, now_ns)
            if sequence.accept(token, end):
                telemetry.tokens.output += 1
                response.token(token)
            if sequence.finish:
                self._responses.pop(sequence, None)
                telemetry.tokens.prompt += len(sequence.prompt)
                telemetry.requests["ok"] += 1
                response.finish(sequence)

    def _fail_batch(self, step: list[ScheduledTokens]) -> None:
        for sequence in [work.sequence for work in step]:
            self._scheduler.cancel(sequence)
            response = self._responses.pop(sequence, None)
            if response is not None and not response.fail(MODEL_FAILED):
                self._telemetry.count_error(MODEL_FAILED.status)


SLOTS = 256  # the most that the knob max_sequences allows
