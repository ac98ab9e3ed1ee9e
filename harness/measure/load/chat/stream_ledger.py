"""The ledger of a load whose responses are streams: as `Ledger`, with the arrival time of each token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.chat.stream_connection import StreamConnection
from harness.measure.load.ledger import DERIVED, Ledger
from harness.measure.load.payloads.response_check import unchecked
from harness.record.rows import ABSENT, COLUMN_NAMES, NOTED
from harness.record.token_times import TokenRecorder, TokenTimes

if TYPE_CHECKING:
    from harness.measure.load.chat.conversations import Turn
    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.payloads.payload_sets import ResponseReader
    from harness.measure.load.payloads.response_check import Check
    from harness.measure.load.phases import Phases
    from harness.record.recorder import Recorder, Rows
    from harness.record.rows import Outcome
    from harness.wire.http.llhttp_parser import HttpResponse
    from harness.wire.language.output_stream import OutputStream

    from harness.measure.load.ledger import Places  # isort: skip


class StreamLedger(Ledger):
    """Keeps the stream of each request, whole or not, and writes its token times beside the rows."""

    def __init__(self, recorder: Recorder, reader: ResponseReader, places: Places, phases: Phases, worker: int) -> None:
        super().__init__(recorder, reader, places, phases, worker)
        name = recorder.path.name.replace("requests", "tokens")
        self._tokens = TokenRecorder(recorder.path.with_name(name), worker)
        # row since the last `take`, running number, stream, length that was asked for, turn
        self._streams: list[tuple[int, int, OutputStream, int, Turn]] = []
        self._unwritten: list[TokenTimes] = []
        self._servers: list[tuple[int, int]] = []  # row since the last `take`, server

    def open(self) -> None:
        """Create the files."""
        super().open()
        self._tokens.open()

    def responded(
        self, connection: Connection, response: HttpResponse, done_ns: int, check: Check | None = None
    ) -> int:
        """Record a whole stream, or an error response. Only responses to opening prompts can be checked."""
        self._note(connection)
        if isinstance(connection, StreamConnection) and not connection.turn.opening:
            check = unchecked
        return super().responded(connection, response, done_ns, check)

    def failed(self, connection: Connection, outcome: Outcome, text: str, done_ns: int) -> None:
        """Record a request without a whole stream; the tokens that arrived are kept."""
        self._note(connection)
        super().failed(connection, outcome, text, done_ns)

    def take(self) -> Rows:
        """The rows since the last `take`, with the token counts and first-token times of their streams."""
        streams, self._streams = self._streams, []
        servers, self._servers = self._servers, []
        rows = super().take()
        for row, server in servers:
            rows["server"][row] = server
        for row, request, stream, asked_tokens, turn in streams:
            rows["first_token_ns"][row] = stream.first_ns
            rows["prompt_tokens"][row] = stream.prompt_tokens
            rows["first_answer_ns"][row] = stream.answer_ns
            rows["output_tokens"][row] = stream.output_tokens
            rows["usage_tokens"][row] = stream.usage_tokens
            rows["asked_tokens"][row] = asked_tokens
            rows["asked_prompt_tokens"][row] = turn.prompt_tokens
            rows["shared_tokens"][row] = turn.shared_tokens
            rows["cached_tokens"][row] = stream.cached_tokens
            rows["result_count"][row] = stream.result_count
            if ABSENT not in (stream.prefill_ns, stream.first_ns):
                until_first_ns = stream.first_ns - rows["sent_ns"][row]
                rows["queue_ns"][row] = max(0, until_first_ns - stream.prefill_ns)
            self._unwritten.append(TokenTimes(request, stream.instants_ns))
        return rows

    def _filled(self) -> set[str]:
        return {*COLUMN_NAMES} - {*NOTED, *DERIVED}

    def write(self, rows: Rows) -> None:
        """Append rows to the file, and the token times that `take` collected with them."""
        super().write(rows)
        streams, self._unwritten = self._unwritten, []
        self._tokens.write(streams)
        if self._tokens.error is not None and self.recorder.error is None:
            self.recorder.error = self._tokens.error

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._tokens.close()

    def _note(self, connection: Connection) -> None:
        if not isinstance(connection, StreamConnection):
            return
        if connection.server != ABSENT:
            self._servers.append((self._row, connection.server))
        if connection.stream.disbelieved:
            self._disbelieve(connection.stream.disbelieved)
        if connection.stream.instants_ns:
            number = self.recorder.rows_added
            self._streams.append((self._row, number, connection.stream, connection.asked_tokens, connection.turn))
