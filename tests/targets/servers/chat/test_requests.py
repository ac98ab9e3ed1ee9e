"""Requests for chat completions: what of them reaches the model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from targets.generation.recipe import DecoderShape
from targets.generation.sampling import next_tokens
from targets.servers.chat.requests import parse_chat

TOKENIZER = SimpleNamespace(conversation=lambda messages: [1] * len(messages))


def parsed(**changes):
    body = {"messages": [{"role": "user", "content": "hello"}], "temperature": 1, **changes}
    return parse_chat(json.dumps(body).encode(), "tiny", TOKENIZER, DecoderShape(), 16).sequence


@pytest.mark.parametrize(("seed", "used"), [(None, 0), (7, 7), (-1, 2**64 - 1), (2**64 - 1, 2**64 - 1)])
def test_any_seed_draws_a_token(seed, used):
    sequence = parsed(seed=seed)
    assert sequence.seed == used
    assert next_tokens(np.zeros((1, 8), np.float32), [sequence], 2)[0] in range(8)
