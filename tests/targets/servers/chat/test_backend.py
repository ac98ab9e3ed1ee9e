"""A model that fails in the middle of a stream: a stand-in model, loop and connection."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from targets.generation.recipe import DecoderShape
from targets.generation.scheduler import BatchLimits, Scheduler
from targets.servers.chat.backend import ChatBackend
from targets.servers.chat.protocol import ChatProtocol
from targets.servers.chat.telemetry import ChatTelemetry
from targets.servers.http.exchange import HttpExchange
from targets.servers.http.head import Head

WORD, END, VOCABULARY = 5, 2, 8


class Model:
    """Says WORD until `fails` is set."""

    shape = DecoderShape(vocabulary=VOCABULARY)
    tokenizer = SimpleNamespace(
        size=VOCABULARY, end=END, text=lambda _: "word ", conversation=lambda messages: [1] * len(messages)
    )
    fails = False

    def logits(self, chunks):
        if self.fails:
            raise RuntimeError("the model fails")
        return np.tile(np.eye(VOCABULARY, dtype=np.float32)[WORD], (len(chunks), 1))


class Channel:
    """A connection that counts as the server's own does."""

    def __init__(self, telemetry):
        self._telemetry = telemetry
        self.resets = 0

    def open_stream(self, *_):
        pass

    def send_error(self, exchange, error):
        del exchange
        self._telemetry.count_error(error.status)

    def reset(self):
        self.resets += 1


@pytest.mark.parametrize("begun", [True, False])
def test_a_stream_that_the_model_fails_is_counted_as_an_error(card, begun, capfd):
    model, soon = Model(), []
    scheduler = Scheduler(BatchLimits(max_sequences=4, max_batch_tokens=64, queue_limit=4), 4)
    telemetry = ChatTelemetry(scheduler)
    backend = ChatBackend(ChatProtocol(card, 0, telemetry), model, scheduler, 16)
    backend.start(SimpleNamespace(call_soon=soon.append))
    channel = Channel(telemetry)
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "stream": True}).encode()
    assert backend.infer(HttpExchange(channel, Head()), body)
    if begun:
        soon.pop()()
    model.fails = True
    soon.pop()()
    assert channel.resets == begun
    assert {outcome: count for outcome, count in telemetry.requests.items() if count} == {"error": 1}
    assert "the model fails" in capfd.readouterr().err
