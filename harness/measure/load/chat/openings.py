"""Makes the first requests of conversations ahead of time, so that none is late for its prompt to be written."""

from __future__ import annotations

from collections import deque
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from harness.measure.load.chat.conversations import Conversation, Turn

MOST = 256  # requests that are made ahead
MOST_BYTES = 16 << 20  # of them together


class Opening(NamedTuple):
    """A new conversation and the first request of it."""

    conversation: Conversation
    turn: Turn
    request: bytes


class Conversations(Protocol):
    """Opens conversations of one request class, or of several."""

    @property
    def follows_trace(self) -> bool:
        """Whether each request has the lengths of one line of a trace."""

    @property
    def opens_in_order(self) -> bool:
        """Whether conversations are the same when they are opened before others have ended."""

    def open(self, server: int = 0) -> Conversation:
        """A new conversation with one of the servers."""


class Openings:
    """The conversations of a source in its order, some of them made before they are asked for."""

    def __init__(self, source: Conversations, servers: int = 1) -> None:
        self.source = source
        self._servers = cycle(range(servers))  # in turn
        self.made: deque[Opening] = deque()
        self._bytes = 0

    def take(self) -> Opening:
        """The next conversation."""
        if not self.made:
            return self._new()
        opening = self.made.popleft()
        self._bytes -= len(opening.request)
        return opening

    def make_one(self) -> bool:
        """Make one more ahead, which takes some 50 us, or 1 ms for a prompt of 16,000 tokens. False: there are enough.

        None is made where later turns draw from the same lines of a trace: they would no longer be in order.
        """
        if len(self.made) >= MOST or self._bytes >= MOST_BYTES or not self.source.opens_in_order:
            return False
        opening = self._new()
        self._bytes += len(opening.request)
        self.made.append(opening)
        return True

    def skip(self) -> None:
        """A request that was due is not sent: what a trace says of it belongs to no other."""
        if self.source.follows_trace:
            self.take()

    def _new(self) -> Opening:
        conversation = self.source.open(next(self._servers))
        turn = conversation.next_turn()
        return Opening(conversation, turn, conversation.codec.encode(turn.messages, turn.max_tokens))
