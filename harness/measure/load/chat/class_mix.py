"""Conversations of several request classes, each with prompts, lengths and a model of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.measure.load.chat.conversations import Conversation, ConversationSource

DRAWN_AT_ONCE = 256


class ClassMix:
    """Opens conversations, the class of each drawn by weight. The shares are those of conversations, not of requests.

    The sequence of classes is that of the seed, so that classes that take long have no smaller share of what is sent.
    """

    def __init__(self, sources: Sequence[ConversationSource], weights: Sequence[float], seed: int, worker: int) -> None:
        self.sources = sources
        self.follows_trace = any(source.follows_trace for source in sources)
        self.opens_in_order = all(source.opens_in_order for source in sources)
        self._classes = drawn_classes(weights, seed, worker)

    def open(self, server: int = 0) -> Conversation:
        """A new conversation of the next class with one of the servers."""
        return self.sources[next(self._classes)].open(server)


def drawn_classes(weights: Sequence[float], seed: int, worker: int) -> Iterator[int]:
    """Endless numbers of classes, drawn by weight."""
    rng = np.random.default_rng([seed, worker, len(weights)])
    shares = np.array(weights) / sum(weights)
    while True:
        yield from rng.choice(len(shares), size=DRAWN_AT_ONCE, p=shares).tolist()
