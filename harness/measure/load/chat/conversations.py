"""Makes conversations: the messages of a user, turn after turn, over a context that grows. Seeded, without I/O."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.clock import NS_PER_MS
from harness.measure.load.payloads.payload_sets import payload_order
from harness.plan.chat_shape import Length
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.measure.load.chat.texts import TextMaker
    from harness.plan.chat_shape import ChatShape
    from harness.plan.request_lengths import TraceLengths
    from harness.wire.language.output_stream import OutputStream
    from harness.wire.language.text_codec import Message, TextCodec

LATEST = 0.5  # part of a response after which a user who hangs up has done so
WEIGHT = 0.1  # of a whole response in what is known of the number of pieces


class Turn(NamedTuple):
    """One request of a conversation."""

    messages: list[Message]
    max_tokens: int
    payload: int  # the number of the prompt that the conversation began with
    opening: bool  # it holds that prompt and nothing else
    prompt_tokens: int = ABSENT  # that the whole prompt is to have; ABSENT where that is not known
    leave_at: float = ABSENT  # the part of the response after which the user hangs up; ABSENT: the user stays
    shared_tokens: int = ABSENT  # of those, what the load has sent before: the common prefix, or the turns before


class ConversationSource:
    """Opens conversations, each with its own random sequence: the same seed and salt give the same messages.

    Lengths from a trace are used in the order of the requests. Without `lengths` they are drawn. `codecs` write the
    requests, one for each server. `first_payload` is the number of the first prompt among those of all classes.
    """

    def __init__(  # noqa: PLR0917  (what the sequence depends on)
        self,
        texts: TextMaker,
        prompts: int,
        shape: ChatShape,
        lengths: TraceLengths | None,
        seed: int,
        worker: int = 0,
        *,
        codecs: Sequence[TextCodec],
        first_payload: int = 0,
    ) -> None:
        self.texts = texts
        self.codecs = codecs
        self.first_payload = first_payload
        if lengths is not None and lengths.has_blocks:  # each request of such a trace holds its whole prompt
            shape = msgspec.structs.replace(shape, turns=Length(low=1, high=1))
        self._shape = shape
        self._lengths = lengths.endless() if lengths is not None else None
        self._seed = f"{seed}/{worker}"
        self._message_count: Callable[[Random], int] = lambda _rng: 1
        self.pieces_per_token = 1.0  # of whole responses
        self._order = payload_order(prompts, seed, worker)
        self._numbers = count()

    @property
    def follows_trace(self) -> bool:
        """Whether each request has the lengths of one line of a trace."""
        return self._lengths is not None

    @property
    def opens_in_order(self) -> bool:
        """Whether conversations are the same when they are opened before others have ended."""
        return self._lengths is None or self._shape.turns.high == 1

    def open(self, server: int = 0) -> Conversation:
        """A new conversation with one of the servers."""
        number = next(self._numbers)
        rng = Random(f"{self._seed}/{number}")  # noqa: S311  (prompts are no secret)
        words = Random(f"{self._shape.salt}/{self._seed}/{number}")  # noqa: S311
        conversation = Conversation(self, self._shape.turns.draw(rng), next(self._order), (rng, words))
        conversation.server = server
        return conversation

    def sizes(self, rng: Random) -> tuple[int | None, int, tuple[int, ...]]:
        """The size of the next message (None: a prompt as it is), the tokens that its response may have, its blocks."""
        if self._lengths is not None:
            return next(self._lengths)
        size = self._shape.prompt_tokens or self._shape.prompt_words
        return None if size is None else size.draw(rng), self._shape.output_tokens.draw(rng), ()

    def send_texts(self, count: Callable[[Random], int]) -> None:
        """Let each request hold `count(rng)` texts of a user, and none of the turns before it."""
        self._message_count = count
        self._shape = msgspec.structs.replace(self._shape, turns=Length(low=1, high=1))

    def leave_at(self, rng: Random) -> float:
        """The part of the response, up to a half, after which its user hangs up; ABSENT where the user stays."""
        share = self._shape.hang_up
        return rng.uniform(0.0, LATEST) if share and rng.random() < share else ABSENT

    def pieces_before(self, turn: Turn) -> int:
        """After how many pieces the user of a turn hangs up, at least one; ABSENT where the user stays."""
        return ABSENT if turn.leave_at < 0 else max(1, round(turn.leave_at * self.pieces_per_token * turn.max_tokens))

    def learn_pieces(self, pieces: int, max_tokens: int) -> None:
        """A response of so many pieces is whole: how many there are is not known before.

        A piece may hold several tokens, and a model may end its turn early.
        """
        self.pieces_per_token += (pieces / max_tokens - self.pieces_per_token) * WEIGHT

    @property
    def pauses(self) -> bool:
        """Whether users pause between the turns of a conversation."""
        return self._shape.tool_pause_ms is not None

    def pause_ns(self, rng: Random) -> int:
        """How long a user pauses before the next turn of a conversation."""
        pause_ms = self._shape.tool_pause_ms
        return pause_ms.draw(rng) * NS_PER_MS if pause_ms else 0

    def message_count(self, rng: Random) -> int:
        """How many messages a user sends in one turn."""
        return self._message_count(rng)


class Conversation:
    """The messages so far, and the number of turns that are left."""

    def __init__(self, source: ConversationSource, turns: int, payload: int, rngs: tuple[Random, Random]) -> None:
        self.source = source
        self.server = 0  # to which all turns go
        self._left = turns
        self._payload = payload
        self._rng, self._words = rngs
        self._messages: list[Message] = []
        self._context_tokens = ABSENT  # of the turns before, by the server's count

    def goes_on(self, response: OutputStream) -> bool:
        """Append the response to the last turn. Returns whether another turn follows."""
        if self._left:
            self._messages.append({"role": "assistant", "content": response.text})
            counts = response.prompt_tokens, response.output_tokens
            self._context_tokens = ABSENT if ABSENT in counts else sum(counts)
        return self._left > 0

    @property
    def codec(self) -> TextCodec:
        """Writes its requests."""
        return self.source.codecs[self.server]

    def pause_ns(self) -> int:
        """How long the user pauses after a whole response; 0 where no other turn follows."""
        return self.source.pause_ns(self._words) if self._left else 0

    def next_turn(self) -> Turn:
        """The user's next message, after all messages before it."""
        source = self.source
        size, max_tokens, blocks = source.sizes(self._rng)
        opens = not self._messages
        asked, shared = ABSENT, self._context_tokens
        wanted = source.message_count(self._rng)
        if opens:
            texts = source.texts
            made = texts.of_blocks(blocks, size) if blocks and size else texts.opening(self._payload, size, self._words)
            messages, asked, shared = made
            self._messages += messages
            asked = asked if wanted == 1 else ABSENT
        self._messages += [{"role": "user", "content": text} for text in self._more_texts(wanted - opens, size)]
        self._left -= 1
        return Turn(
            messages=list(self._messages),
            max_tokens=max_tokens,
            payload=source.first_payload + self._payload,
            opening=opens and size is None,
            prompt_tokens=asked,
            shared_tokens=shared,
            leave_at=source.leave_at(self._words),
        )

    def _more_texts(self, count: int, size: int | None) -> Sequence[str]:
        """What a request holds besides the first text of its conversation."""
        texts = self.source.texts
        documents = texts.documents(self._payload)
        return documents or [texts.following(self._rng.randrange(1 << 30), size, self._words) for _ in range(count)]
