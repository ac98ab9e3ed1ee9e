"""A connection that carries a conversation: responses are streams, and each request holds those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.measure.load.chat.conversations import Turn
from harness.measure.load.chat.parser import StreamParser
from harness.measure.load.connections.connection import AWAITING, Connection
from harness.measure.load.engine import Timeouts
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.load.chat.conversations import Conversation
    from harness.measure.load.chat.openings import Openings
    from harness.measure.load.connections.connection import ConnectionListener
    from harness.measure.load.connections.server_address import ServerAddress
    from harness.wire.http.llhttp_parser import HttpResponse
    from harness.wire.language.output_stream import OutputStream
    from harness.wire.language.text_codec import TextCodec


class StreamConnection(Connection):
    """Sends the turns of one conversation after the other; a turn that fails ends its conversation."""

    edge_triggered = False  # a response comes in many pieces: reading until EAGAIN would double the calls
    __slots__ = ("_addresses", "_codec", "_conversation", "_leave_after", "_openings", "stream", "turn")
    _parser: StreamParser

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        listener: ConnectionListener,
        openings: Openings,
        codec: TextCodec,
        user: int,
    ) -> None:
        self._openings = openings
        self._codec = codec
        self._conversation: Conversation | None = None
        self.stream: OutputStream = codec.new_stream()
        self.turn = Turn([], ABSENT, ABSENT, opening=False)
        self._leave_after = ABSENT  # pieces, after which the user hangs up
        self._addresses = addresses
        super().__init__(addresses[0], listener, {}, user)
        self.reads_ahead = True
        self._resends_when_reused = True  # llama.cpp closes after each stream, though its response does not say so

    def begin(self, request: bytes, due_ns: int) -> None:
        """Send the next turn, which the conversation makes; `request` is ignored."""
        del request
        conversation = self._conversation
        if conversation is not None and self.stream.whole and conversation.goes_on(self.stream):
            self.turn = conversation.next_turn()
            request = self._codec.encode(self.turn.messages, self.turn.max_tokens)
        else:
            conversation, self.turn, request = self._openings.take()
            self._conversation = conversation
            self._turn_to(conversation)
        self.payload = self.turn.payload
        self._leave_after = conversation.source.pieces_before(self.turn)
        self.stream = self._codec.stream_for(self.turn.messages)
        super().begin(request, due_ns)

    def _turn_to(self, conversation: Conversation) -> None:
        """Talk to the server of a new conversation: where that is another one, over a new connection."""
        self._codec = conversation.codec
        address = self._addresses[conversation.server]
        if address is not self._address:
            self.close()
            self._address = address

    @property
    def server(self) -> int:
        """The number of the server, where there are several; else ABSENT."""
        return self._conversation.server if self._conversation and len(self._addresses) > 1 else ABSENT

    @property
    def asked_tokens(self) -> int:
        """The length that the response is to have exactly; ABSENT where the model may end its turn."""
        return self.most_tokens if self._codec.ignores_eos else ABSENT

    @property
    def most_tokens(self) -> int:
        """The length that the response may have; ABSENT where no output is asked for."""
        return self.turn.max_tokens * self._codec.choices if self._codec.length_field else ABSENT

    def receive(self) -> bool:
        """As in `Connection`."""
        data = self.read()
        return data is not None and self.take(data, monotonic_ns())

    def take(self, data: bytes, now_ns: int) -> bool:
        """Take in what was read at `now_ns`; a user who leaves hangs up once enough of the response has come."""
        parser, more = self._parser, False
        if not parser.takes_piece(data, now_ns):
            parser.read_ns = now_ns
            more = super().take(data, now_ns)
        leave_after = self._leave_after
        if leave_after > 0 and self.state == AWAITING and len(self.stream.instants_ns) >= leave_after:
            self._hang_up()
            return False
        return more

    def pause_ns(self) -> int:
        """How long the user pauses before the next turn of the conversation."""
        return self._conversation.pause_ns() if self._conversation is not None and self.stream.whole else 0

    def _hang_up(self) -> None:
        self._conversation = None
        self.fail(Outcome.CANCELLED, "")

    def _finish(self, response: HttpResponse, now_ns: int) -> None:
        if self.stream.whole and self.most_tokens != ABSENT:
            self.stream.doubt_usage(self.most_tokens)
        if self.stream.whole and self.stream.streamed and self._conversation is not None:
            self._conversation.source.learn_pieces(len(self.stream.instants_ns), self.turn.max_tokens)
            if self._leave_after > 0:  # the last piece came together with the one after which the user leaves
                self._hang_up()
                return
        if self.stream.instants_ns:  # the parser looks at the clock later than `receive`
            now_ns = max(now_ns, self.stream.instants_ns[-1])
        super()._finish(response, now_ns)

    def _lost(self, text: str) -> None:
        self._is_reusable = self._is_reusable and not self._may_resend
        super()._lost(text)

    def _new_parser(self) -> StreamParser:
        return StreamParser(self)


class StreamTimeouts(Timeouts):
    """As `Timeouts`, but the limit to the first byte is one to the first token: a head alone is no response."""

    def exceeded(self, connection: Connection, now_ns: int) -> str | None:
        """The limit that the request of `connection` has exceeded, in words; None where it has not."""
        stream = connection.stream if isinstance(connection, StreamConnection) else None
        waits = stream is not None and stream.streamed and stream.first_ns == ABSENT
        if waits and now_ns - connection.started_ns >= self.first_byte_ns:
            return f"timeout: no first token within {self.first_byte_ns / NS_PER_S:g} s"
        return super().exceeded(connection, now_ns)
