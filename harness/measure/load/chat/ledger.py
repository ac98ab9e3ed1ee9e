"""The books of a load whose answers are streams: as `Ledger`, and when each token came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.chat.connection import StreamConnection
from harness.measure.load.ledger import Ledger
from harness.measure.load.payloads.response_check import unchecked
from harness.record.rows import ABSENT
from harness.record.token_times import TokenRecorder, TokenTimes

if TYPE_CHECKING:
    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.connections.http_parser import Answer
    from harness.measure.load.payloads.payload_sets import Reading
    from harness.measure.load.payloads.response_check import Check
    from harness.measure.load.phases import Phases
    from harness.record.recorder import Recorder, Rows
    from harness.record.rows import Outcome
    from harness.wire.chat_completions import ChatStream

    from harness.measure.load.ledger import Places  # isort: skip


class StreamLedger(Ledger):
    """Notes the stream of each request, whole or not, and writes it beside the rows."""

    def __init__(self, recorder: Recorder, reading: Reading, places: Places, phases: Phases, worker: int) -> None:
        super().__init__(recorder, reading, places, phases, worker)
        name = recorder.path.name.replace("requests", "tokens")
        self._tokens = TokenRecorder(recorder.path.with_name(name), worker)
        self._streams: list[tuple[int, int, ChatStream]] = []  # row since the last `take`, running number, stream
        self._unwritten: list[TokenTimes] = []

    def open(self) -> None:
        """Make the files."""
        super().open()
        self._tokens.open()

    def answered(self, connection: Connection, answer: Answer, done_ns: int, check: Check | None = None) -> int:
        """A whole stream came, or a refusal. Only an opening line has a known answer."""
        self._note(connection)
        if isinstance(connection, StreamConnection) and not connection.opening:
            check = unchecked
        return super().answered(connection, answer, done_ns, check)

    def failed(self, connection: Connection, outcome: Outcome, text: str, done_ns: int) -> None:
        """No whole stream came; what came of it is kept."""
        self._note(connection)
        super().failed(connection, outcome, text, done_ns)

    def take(self) -> Rows:
        """The rows since the last `take`, with what is known of their streams."""
        streams, self._streams = self._streams, []
        rows = super().take()
        for row, request, stream in streams:
            rows["first_token_ns"][row] = stream.first_ns
            rows["prompt_tokens"][row] = stream.prompt_tokens
            rows["output_tokens"][row] = stream.output_tokens
            self._unwritten.append(TokenTimes(request, stream.instants_ns))
        return rows

    def write(self, rows: Rows) -> None:
        """Append rows, and the streams taken with them."""
        super().write(rows)
        streams, self._unwritten = self._unwritten, []
        self._tokens.write(streams)
        if self._tokens.error is not None and self.recorder.error is None:
            self.recorder.error = self._tokens.error

    def close(self) -> None:
        """End the files."""
        super().close()
        self._tokens.close()

    def _note(self, connection: Connection) -> None:
        if isinstance(connection, StreamConnection) and connection.stream.first_ns != ABSENT:
            self._streams.append((self._row, self.recorder.rows_added, connection.stream))
